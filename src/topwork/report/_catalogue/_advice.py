"""How the model came to be: the ladder, the learning curve, what was tried."""

TEXTS: dict[str, tuple[str, str]] = {
    # Ladder
    "ladder": ("How much of the network was kept", "네트워크를 어디까지 그대로 썼는가"),
    "ladder_what": (
        "From cheap to dear, each rung was measured on training images that it had not learnt from, until the next one "
        "was not expected to gain more than it costs.",
        "비용이 적은 단계부터 차례로, 학습 세트 가운데 그 단계가 배우지 않은 이미지로 측정했습니다. 다음 단계에서 "
        "예상되는 이득이 비용보다 크지 않으면 멈춥니다.",
    ),
    "ladder_choice": (
        "Chosen: {name}. On new images {accuracy} ({low} to {high}) were expected.",
        "선택: {name}. 새 이미지에서 예상되는 정확도는 {accuracy}({low}~{high})입니다.",
    ),
    "ladder_choice_alone": ("Chosen: {name}. It was not measured.", "선택: {name}. 측정하지 않았습니다."),
    "ladder_runner_up": (
        "Next best: {name}, {accuracy} ({low} to {high}).",
        "차선: {name}, {accuracy}({low}~{high}).",
    ),
    "ladder_kept": (
        "The images held out then showed {accuracy} ({low} to {high}).",
        "이후 따로 떼어 둔 평가 이미지에서는 {accuracy}({low}~{high})였습니다.",
    ),
    "ladder_plot": (
        "Plot of each rung's accuracy with its interval over the seconds it took; the table below it has its numbers.",
        "단계별 정확도와 신뢰구간을 걸린 시간(초)에 따라 그린 그래프. 수치는 아래 표에 있습니다.",
    ),
    "ladder_seconds": ("Seconds to climb the rung", "단계별로 걸린 시간(초)"),
    "ladder_interval": (
        "They hold what as many other images will show.",
        "같은 수의 다른 이미지로 측정할 때 나올 값의 범위입니다.",
    ),
    "rung": ("Rung", "단계"),
    "seconds": ("Seconds to climb", "걸린 시간(초)"),
    "milliseconds": ("ms an image when it predicts", "이미지당 예측 시간(ms)"),
    "judged": ("Images that judged it", "평가에 쓴 이미지"),
    "judged_cross-validated": ("cross-validated", "교차검증"),
    "judged_held_out": ("held out", "따로 떼어 둠"),
    "judged_as_it_is": ("as it is", "학습 없이"),
    "ladder_changes": ("What would change the choice:", "선택이 달라질 수 있는 경우:"),
    "ladder_unlearnable": (
        "Nothing has been learnt: beyond chance, {name} is not better than always naming the largest class ({chance}). "
        "Look at the labels.",
        "배운 것이 없습니다. 가장 나은 방식({name})도 항상 가장 큰 클래스로 답할 때({chance})보다 우연 이상으로 낫지 "
        "않습니다. 라벨을 확인하세요.",
    ),
    "ladder_tie": (
        "It and {name} cannot be told apart on {images} images: more of them might turn it.",
        "이미지 {images}장으로는 차선({name})과의 우열을 가릴 수 없습니다. 이미지가 더 많으면 순위가 바뀔 수 있습니다.",
    ),
    "ladder_stopped": ("It climbed no further: {reason}.", "더 올라가지 않은 이유: {reason}."),
    "ladder_enough": (
        "With about {images} training images, and the same errors, fine-tuning would be worth a try.",
        "오류율이 같다면 학습 이미지가 약 {images}장일 때 미세 조정을 해 볼 만합니다.",
    ),
    "ladder_time": (
        "More time than the {budget} seconds that there were might change it: something was left out for lack of it.",
        "주어진 {budget}초보다 시간이 더 있으면 달라질 수 있습니다. 시간이 모자라 시도하지 못한 것이 있습니다.",
    ),
    # Forecast
    "forecast": ("What more images would bring", "이미지를 더 모으면 얼마나 나아지는가"),
    "forecast_what": (
        "The chosen way of reading the network, learnt from fewer of the training images and judged on the others, and "
        "drawn on from there. The dashed line halves the errors.",
        "선택한 방식으로 학습 이미지의 일부만 학습하고 나머지로 평가한 뒤, 그 추세를 이어 예측한 것입니다. 점선은 "
        "오류가 절반으로 줄어드는 정확도입니다.",
    ),
    "forecast_missing": (
        "A learning curve tells what accuracy to expect of more images. It is drawn where a probe is chosen and the "
        "time suffices.",
        "학습 곡선은 이미지를 더 모았을 때 기대할 수 있는 정확도를 보여 줍니다. 프로브가 선택되고 시간이 충분할 때 "
        "그립니다.",
    ),
    "forecast_plot": (
        "Plot of accuracy over the number of training images, measured and expected; the table below it has its "
        "numbers.",
        "학습 이미지 수에 따른 정확도 그래프(측정값과 예상값). 수치는 아래 표에 있습니다.",
    ),
    "measured": ("measured", "측정값"),
    "ahead": ("expected, with bounds", "예상값과 범위"),
    "forecast_ahead": (
        "With {images} training images expect {accuracy} ({low} to {high}).",
        "학습 이미지가 {images}장이면 {accuracy}({low}~{high})로 예상됩니다.",
    ),
    "forecast_needed": (
        "For {aim} it would take {least} to {most} images.",
        "{aim}에 이르려면 이미지가 {least}~{most}장 필요합니다.",
    ),
    "forecast_perhaps": (
        "For {aim} it would take about {least} images, or it is never reached in this way.",
        "{aim}에 이르려면 이미지가 약 {least}장 필요하며, 이 방식으로는 끝내 이르지 못할 수도 있습니다.",
    ),
    "forecast_never": (
        "{aim} is not to be expected in this way, however many images there are.",
        "이미지가 아무리 많아도 이 방식으로 {aim}에 이르기는 어렵습니다.",
    ),
    "forecast_classes": (
        "More images of these classes would bring the most (points of recall gained by the last doubling): {classes}.",
        "다음 클래스의 이미지를 더 모으면 가장 큰 도움이 됩니다(이미지를 마지막으로 두 배 늘렸을 때 오른 재현율, %p): "
        "{classes}.",
    ),
    # Trials
    "trials": ("What was tried", "비교해 본 방식"),
    "trials_what": (
        "Choices were made by these scores on training or validation images; the images that measured the model had no "
        "part in them.",
        "선택은 학습·검증 이미지의 점수로만 했으며, 평가 이미지는 쓰지 않았습니다.",
    ),
    "question": ("Question", "항목"),
    "tried": ("Tried", "방식"),
    "chosen": ("chosen", "선택"),
    "question_backbone": ("Backbone", "백본"),
    "question_crop_mode": ("How an image becomes a square", "이미지를 정사각형으로 만드는 방법"),
    "question_stages": ("Stages that the head reads", "헤드가 읽는 스테이지"),
    "question_rung": ("Rung of the ladder", "사다리의 단계"),
    "question_orient": ("How training images are turned", "학습 이미지를 뒤집거나 돌리는 방법"),
    "question_blend": ("What answers", "답을 내는 방식"),
    "question_strategy": ("Strategy", "학습 방식"),
}
