// From probabilities to an answer, as topwork's `predict` gives it.

/**
 * The index of the class that is answered.
 * @param {ArrayLike<number>} probabilities
 * @param {Object|null} rule Of a critical class (`place`, `probability`), of `costs` (rows: true, columns: said), or none.
 */
export function decided(probabilities, rule) {
  const all = Array.from(probabilities);
  if (rule?.costs)
    return lowest(all.map((_, said) => all.reduce((sum, share, real) => sum + share * rule.costs[real][said], 0)));
  if (!rule) return lowest(all.map((share) => -share));
  if (all[rule.place] >= rule.probability) return rule.place;
  return lowest(all.map((share, place) => (place === rule.place ? 1 : -share)));
}

const lowest = (values) => values.reduce((best, value, place) => (value < values[best] ? place : best), 0);

/**
 * What is said of one input.
 * @param {Object} model Its facts.
 * @param {ArrayLike<number>} probabilities In the order of its classes.
 * @param {number|undefined} typicality Where the model can tell.
 * @param {{accuracy?: string, coverage?: string, top?: number}} asked
 */
export function said(model, probabilities, typicality, asked) {
  const { classes, rule, promises, critical } = model;
  const place = decided(probabilities, rule);
  const order = Array.from(probabilities, (_, each) => each).sort(
    (one, other) => probabilities[other] - probabilities[one],
  );
  const answer = { label: classes[place], probability: probabilities[place] };
  answer.probabilities = Object.fromEntries(
    order.slice(0, asked.top).map((each) => [classes[each], probabilities[each]]),
  );
  if (typicality !== undefined) Object.assign(answer, { typicality, unfamiliar: typicality <= model.unfamiliar_to });
  if (asked.accuracy) answer.answered = answer.probability >= promises.accuracy[asked.accuracy];
  if (asked.coverage) {
    const others = order.filter((each) => each !== place && probabilities[each] >= promises.coverage[asked.coverage]);
    answer.labels = [place, ...others].map((each) => classes[each]);
  }
  if (critical) {
    answer.critical = {
      ...critical,
      probability: probabilities[classes.indexOf(critical.class)],
      flagged: answer.label === critical.class,
    };
  }
  return answer;
}
