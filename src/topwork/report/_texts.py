"""Every text of the model's page, in every language it is written in.

What others wrote (class and file names, notes, reasons) stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

from topwork.errors import ReportError

Language = Literal["en", "ko"]
Texts = Callable[..., str]


def texts(language: str) -> Texts:
    """The catalogue in one language: ``t("key", field=value)`` gives the text with its fields filled in.

    Raises:
        ReportError: There is no such language.
    """
    languages = get_args(Language)
    if language not in languages:
        raise ReportError(f"there is no page in {language!r}", hint=f"there are {', '.join(languages)}")
    place = languages.index(language)

    def text(key: str, **fields: Any) -> str:
        return _TEXTS[key][place].format(**fields)

    return text


def known(key: str) -> bool:
    """Whether there is such a text."""
    return key in _TEXTS


# Key: English, Korean.
_TEXTS: dict[str, tuple[str, str]] = {
    "page_title": ("Model: {name}", "모델: {name}"),
    "made_by": (
        "Made by topwork {version}. Everything on this page lies in this one file.",
        "topwork {version}이(가) 만들었습니다. 이 페이지의 모든 내용은 이 파일 하나에 들어 있습니다.",
    ),
    "contents": ("Contents", "목차"),
    "images": ("Images", "이미지"),
    "classes": ("Classes", "클래스"),
    "class": ("Class", "클래스"),
    "accuracy": ("Accuracy", "정확도"),
    "picture": ("Picture {name}", "사진 {name}"),
    "no_picture": ("No picture", "사진 없음"),
    "interval": ("In brackets: 95 % intervals.", "괄호 안: 95 % 신뢰구간."),
    "more": ("… and {count} more.", "… 그 밖에 {count}개."),
    # The answer
    "answer": ("The answer", "한눈에 보기"),
    "answer_good": (
        "Of 100 new images of this kind, about {share} will be named right (95 % interval {low} to {high}; "
        "{n} images that the model had not seen were asked).",
        "같은 종류의 새 이미지 100장 가운데 약 {share}장을 맞힐 것으로 예상됩니다(95 % 신뢰구간 {low}~{high}장, "
        "모델이 보지 못한 이미지 {n}장으로 측정).",
    ),
    "answer_seen": (
        "These images trained the model, so the figures are better than it is: {share} of 100 are named right.",
        "모델을 학습시킨 이미지로 측정한 값이라 실제보다 좋게 나옵니다: 100장 중 {share}장이 맞았습니다.",
    ),
    "answer_unmeasured": (
        "No images were held out, so nobody knows how good this model is on new ones.",
        "따로 떼어 둔 이미지가 없어 새 이미지에서 얼마나 잘하는지 알 수 없습니다.",
    ),
    "answer_cv": (
        "By cross-validation on the training images {share} of 100 were named right.",
        "학습 이미지의 교차검증에서는 100장 중 {share}장이 맞았습니다.",
    ),
    "answer_mistake": (
        "Its most frequent mistake is to take {true} for {said}: {count} of {total} images.",
        "가장 흔한 실수는 {true}을(를) {said}(으)로 보는 것입니다: {total}장 중 {count}장.",
    ),
    "answer_flawless": (
        "Not one of the images was taken for another class.",
        "다른 클래스로 잘못 본 이미지는 한 장도 없었습니다.",
    ),
    "answer_sure": (
        "Left to answer only where it is sure, it answers {answered} of the images and is right in {right} of those; "
        "let a person look at the rest.",
        "확신할 때만 답하게 하면 이미지의 {answered}에 답하고 그중 {right}가 맞습니다. 나머지는 사람이 확인하세요.",
    ),
    "answer_all": (
        "It is sure enough of all of them: where {level} was promised, {right} of the answers are right.",
        "모든 이미지에 확신을 가지고 답합니다: {level}를 약속하고 {right}를 맞혔습니다.",
    ),
    "answer_unsure": (
        "It cannot promise any accuracy beyond that: there were too few images to tell when it is sure.",
        "그보다 높은 정확도는 약속할 수 없습니다. 언제 확신해도 되는지 판단하기에는 이미지가 너무 적었습니다.",
    ),
    "answer_shift": (
        "Beware: {unfamiliar} of the {images} images are unlike those that trained the model, where one in twenty "
        "would be usual.",
        "주의: 이미지 {images}장 중 {unfamiliar}장이 학습 이미지와 다릅니다. 보통은 스무 장 중 한 장 정도입니다.",
    ),
    "strategy": ("Strategy", "학습 방식"),
    # Data
    "data": ("Data", "데이터"),
    "data_training": ("Training images", "학습 이미지"),
    "data_measured": ("Measured on", "측정한 이미지"),
    "data_left_out": ("Files left out", "제외한 파일"),
    "data_notes": ("What was noticed about the data:", "데이터에서 눈에 띈 점:"),
    "data_sound": ("Nothing about the data stood out.", "데이터에서 특별히 눈에 띈 점은 없습니다."),
    "data_check": (
        "{command} shows every finding with its pictures.",
        "{command} 명령은 발견한 점을 모두 사진과 함께 보여 줍니다.",
    ),
    # Metrics
    "metrics": ("Metrics", "지표"),
    "metric": ("Metric", "지표"),
    "value": ("Value", "값"),
    "top5": ("Top-5 accuracy", "상위 5 정확도"),
    "balanced_accuracy": ("Balanced accuracy", "균형 정확도"),
    "macro_f1": ("Macro-F1", "매크로 F1"),
    "roc_auc": ("ROC-AUC", "ROC-AUC"),
    "average_precision": ("Average precision", "평균 정밀도(AP)"),
    "log_loss": ("Log loss", "로그 손실"),
    "brier": ("Brier score", "브라이어 점수"),
    "ece": ("Calibration error (ECE)", "보정 오차(ECE)"),
    "accuracy_means": ("share of images named right", "맞힌 이미지의 비율"),
    "top5_means": (
        "the right class is among the five likeliest",
        "정답이 가장 그럴듯한 다섯 클래스 안에 든 비율",
    ),
    "balanced_accuracy_means": ("the same, every class counting alike", "모든 클래스를 같은 비중으로 본 정확도"),
    "macro_f1_means": (
        "precision and recall together, every class counting alike",
        "정밀도와 재현율을 함께, 모든 클래스를 같은 비중으로",
    ),
    "roc_auc_means": (
        "how often an image of a class ranks above another one; 0.5 is chance",
        "해당 클래스 이미지가 다른 이미지보다 앞설 확률, 0.5는 우연",
    ),
    "average_precision_means": (
        "precision while going down a class's ranking; 1 is flawless",
        "클래스별 순위를 따라 내려가며 본 정밀도, 1이면 완벽",
    ),
    "log_loss_means": ("price of unsure and wrong answers; 0 is flawless", "불확실하거나 틀린 답의 대가, 0이면 완벽"),
    "brier_means": ("distance from the truth, 0 to 2", "정답과의 거리, 0에서 2까지"),
    "ece_means": ("how far confidence and accuracy lie apart", "확신과 정확도가 어긋난 정도"),
    # Confusion
    "confusion": ("What is taken for what", "무엇을 무엇으로 보는가"),
    "confusion_rows": (
        "Rows: what an image shows. Columns: what the model says. A number of mistakes leads to their pictures.",
        "행: 실제 클래스. 열: 모델의 답. 실수의 수를 누르면 해당 사진으로 갑니다.",
    ),
    "confusion_pairs": ("The most frequent mistakes:", "가장 흔한 실수:"),
    "taken_for": ("taken for", "→"),
    "confusion_true": ("shown", "실제"),
    "confusion_said": ("said", "답"),
    "confusion_shown": ("{shown} of {count} are shown, the surest first.", "{count}장 중 확신이 큰 {shown}장."),
    # Pictures
    "worst": ("The worst mistakes", "가장 심한 실수"),
    "worst_what": (
        "Wrong answers given with the greatest confidence. Are the labels right?",
        "가장 확신하며 틀린 답입니다. 라벨이 맞는지 확인하세요.",
    ),
    "maps_what": (
        "Beside each: what speaks for its answer and what for the right class, as Grad-CAM sees it in the square that "
        "the network was shown; the brighter, the more.",
        "옆의 그림은 네트워크가 본 정사각형 이미지에서 모델의 답과 정답을 뒷받침하는 부분을 Grad-CAM으로 "
        "나타낸 것입니다. 밝을수록 근거가 큽니다.",
    ),
    "map": ("Speaks for {label}", "{label}의 근거"),
    "unsure": ("The least sure answers", "가장 불확실한 답"),
    "unsure_what": (
        "Where the likeliest class was the least likely. More images like these would teach the most.",
        "가장 그럴듯한 클래스의 확률이 가장 낮은 이미지입니다. 이런 이미지를 더 모으면 가장 도움이 됩니다.",
    ),
    "is": ("Is", "실제"),
    "said": ("Said", "답"),
    "sure": ("Sure", "확신"),
    # Classes
    "per_class": ("Class by class", "클래스별"),
    "precision": ("Precision", "정밀도"),
    "recall": ("Recall", "재현율"),
    "f1": ("F1", "F1"),
    "per_class_what": (
        "Precision: how many of the answers are right. Recall: how many of the class's images are found.",
        "정밀도: 그 답 가운데 맞은 비율. 재현율: 그 클래스 이미지 가운데 찾아낸 비율.",
    ),
    "per_class_weakest": ("The {shown} classes with the lowest recall are shown.", "재현율이 낮은 {shown}개 클래스."),
    # Calibration
    "calibration": ("Can its confidence be trusted?", "확신을 믿어도 되는가?"),
    "calibration_what": (
        "Of the answers given with 80 % confidence, 80 % should be right: then the points lie on the line. "
        "Their size tells how many images there are.",
        "80 % 확신한 답은 80 %가 맞아야 합니다. 그러면 점이 선 위에 놓입니다. 점의 크기는 이미지 수입니다.",
    ),
    "calibration_before": (
        "Temperature scaling took the calibration error from {before} to {after}.",
        "온도 보정으로 보정 오차가 {before}에서 {after}로 바뀌었습니다.",
    ),
    "calibrated": ("as it answers", "현재"),
    "uncalibrated": ("before scaling", "보정 전"),
    "confidence": ("Confidence", "확신"),
    "chart": (
        "Chart of accuracy over confidence; the table below it has its numbers.",
        "확신에 따른 정확도 그래프. 아래 표에 같은 수치가 있습니다.",
    ),
    "numbers": ("The numbers", "수치"),
    # Promises
    "promises": ("What it can promise", "약속할 수 있는 것"),
    "promises_what": (
        "Thresholds were read off {count} images ({source}) and tried on those that measured the model.",
        "임계값은 이미지 {count}장({source})에서 정하고, 측정용 이미지로 확인했습니다.",
    ),
    "source_cross-validation": ("out-of-fold answers on training images", "학습 이미지의 교차검증 답"),
    "source_validation": ("validation images", "검증 이미지"),
    "source_training": ("training images that taught it nothing but a temperature", "온도만 정한 학습 이미지"),
    "promised": ("Promised", "약속"),
    "sets": ("Sets that hold the class", "정답이 든 집합"),
    "size": ("Classes in a set", "집합의 클래스 수"),
    "answered": ("Answered", "답한 비율"),
    "right": ("Right answers", "맞은 답"),
    "promises_how": (
        "Sets: {coverage}. Answers only where it is sure: {abstain}.",
        "집합: {coverage}. 확신할 때만 답하기: {abstain}.",
    ),
    # Shift
    "shift": ("Are these images like the training images?", "학습 이미지와 비슷한가?"),
    "shift_quiet": (
        "Yes: {unfamiliar} of {images} lie farther out than 95 % of the training images do; about {expected} are to be "
        "expected.",
        "네. {images}장 중 {unfamiliar}장이 학습 이미지의 95 %보다 멀리 있습니다. 예상은 약 {expected}장입니다.",
    ),
    "shift_alarm": (
        "No: {unfamiliar} of {images} lie farther out than 95 % of the training images do; about {expected} would be "
        "usual. The model may not be made for such images.",
        "아니요. {images}장 중 {unfamiliar}장이 학습 이미지의 95 %보다 멀리 있습니다. 보통은 약 {expected}장입니다. "
        "이런 이미지를 위한 모델이 아닐 수 있습니다.",
    ),
    # Ladder
    "ladder": ("How much of the network was kept", "네트워크를 얼마나 그대로 썼는가"),
    "ladder_what": (
        "From cheap to dear, each rung was measured on training images that it had not learnt from, until the next one "
        "was not expected to gain more than it costs.",
        "비용이 적은 단계부터 차례로, 학습에 쓰지 않은 학습용 이미지로 측정했습니다. 다음 단계의 예상 이득이 비용보다 "
        "크지 않으면 멈춥니다.",
    ),
    "ladder_choice": (
        "Chosen: {name}. On new images {accuracy} ({low} to {high}) were expected.",
        "선택: {name}. 새 이미지에서 예상한 정확도는 {accuracy}({low}~{high})였습니다.",
    ),
    "ladder_choice_alone": ("Chosen: {name}. It was not measured.", "선택: {name}. 측정하지 않았습니다."),
    "ladder_runner_up": (
        "Next best: {name}, {accuracy} ({low} to {high}).",
        "그다음: {name}, {accuracy}({low}~{high}).",
    ),
    "ladder_kept": (
        "The images held out then showed {accuracy} ({low} to {high}).",
        "이후 따로 떼어 둔 이미지에서는 {accuracy}({low}~{high})였습니다.",
    ),
    "ladder_plot": (
        "Plot of each rung's accuracy with its interval over the seconds it took; the table below it has its numbers.",
        "단계별 정확도와 신뢰구간을 걸린 시간(초)에 따라 그린 그래프. 아래 표에 같은 수치가 있습니다.",
    ),
    "ladder_seconds": ("Seconds to climb the rung", "단계에 걸린 시간(초)"),
    "ladder_interval": (
        "They hold what as many other images will show.",
        "같은 수의 다른 이미지에서 나올 값을 담습니다.",
    ),
    "rung": ("Rung", "단계"),
    "seconds": ("Seconds to climb", "걸린 시간(초)"),
    "milliseconds": ("ms an image when it predicts", "예측 시 이미지당 ms"),
    "judged": ("Images that judged it", "판정한 이미지"),
    "judged_cross-validated": ("cross-validated", "교차검증"),
    "judged_held_out": ("held out", "따로 떼어 둠"),
    "judged_as_it_is": ("as it is", "그대로"),
    "ladder_changes": ("What would change the choice:", "선택이 달라질 수 있는 경우:"),
    "ladder_unlearnable": (
        "Nothing has been learnt: beyond chance, {name} is not better than always naming the largest class ({chance}). "
        "Look at the labels.",
        "배운 것이 없습니다. {name}은(는) 항상 가장 큰 클래스를 답하는 것({chance})보다 우연 이상으로 낫지 않습니다. "
        "라벨을 확인하세요.",
    ),
    "ladder_tie": (
        "It and {name} cannot be told apart on {images} images: more of them might turn it.",
        "이미지 {images}장으로는 {name}과(와) 우열을 가릴 수 없습니다. 이미지가 더 많으면 뒤집힐 수 있습니다.",
    ),
    "ladder_stopped": ("It climbed no further: {reason}.", "더 올라가지 않은 이유: {reason}."),
    "ladder_enough": (
        "With about {images} training images, and the same errors, fine-tuning would be worth a try.",
        "오류율이 같고 학습 이미지가 약 {images}장이면 미세조정을 해 볼 만합니다.",
    ),
    "ladder_time": (
        "More time than the {budget} seconds that there were might change it: something was left out for lack of it.",
        "주어진 {budget}초보다 시간이 더 있으면 달라질 수 있습니다. 시간이 모자라 시도하지 못한 것이 있습니다.",
    ),
    # Forecast
    "forecast": ("What more images would bring", "이미지를 더 모으면"),
    "forecast_what": (
        "The chosen way of reading the network, learnt from fewer of the training images and judged on the others, and "
        "drawn on from there. The dashed line halves the errors.",
        "선택한 방식으로 학습 이미지의 일부만 배우고 나머지로 판정한 뒤 그 앞을 내다본 것입니다. 점선은 오류가 절반이 "
        "되는 정확도입니다.",
    ),
    "forecast_plot": (
        "Plot of accuracy over the number of training images, measured and expected; the table below it has its "
        "numbers.",
        "학습 이미지 수에 따른 정확도 그래프(측정값과 예상값). 아래 표에 같은 수치가 있습니다.",
    ),
    "measured": ("measured", "측정"),
    "ahead": ("expected, with bounds", "예상과 범위"),
    "forecast_ahead": (
        "With {images} training images expect {accuracy} ({low} to {high}).",
        "학습 이미지가 {images}장이면 {accuracy}({low}~{high})로 예상합니다.",
    ),
    "forecast_needed": (
        "For {aim} it would take {least} to {most} images.",
        "{aim}에 이르려면 이미지 {least}~{most}장이 필요합니다.",
    ),
    "forecast_perhaps": (
        "For {aim} it would take about {least} images, or it is never reached in this way.",
        "{aim}에 이르려면 이미지 약 {least}장이 필요하거나, 이 방식으로는 이르지 못합니다.",
    ),
    "forecast_never": (
        "{aim} is not to be expected in this way, however many images there are.",
        "이미지가 아무리 많아도 이 방식으로 {aim}에 이르기는 어렵습니다.",
    ),
    "forecast_classes": (
        "More images of these classes would bring the most (points of recall gained by the last doubling): {classes}.",
        "다음 클래스의 이미지를 더 모으면 가장 도움이 됩니다(마지막으로 두 배가 되었을 때 오른 재현율, %p): {classes}.",
    ),
    # Trials
    "trials": ("What was tried", "시도한 것"),
    "trials_what": (
        "Choices were made by these scores on training or validation images; the images that measured the model had no "
        "part in them.",
        "선택은 학습·검증 이미지의 점수로만 했으며, 측정용 이미지는 쓰지 않았습니다.",
    ),
    "question": ("Question", "질문"),
    "tried": ("Tried", "시도"),
    "chosen": ("chosen", "선택"),
    "question_backbone": ("Backbone", "백본"),
    "question_fit": ("How an image becomes a square", "이미지를 정사각형으로 만드는 방법"),
    "question_stages": ("Stages that the head reads", "헤드가 읽는 단계"),
    "question_rung": ("Rung of the ladder", "사다리의 단계"),
    "question_orient": ("How training images are turned", "학습 이미지를 뒤집는 방법"),
    "question_blend": ("What answers", "무엇이 답하는가"),
    "question_strategy": ("Strategy", "학습 방식"),
    # Use
    "use": ("How to use it", "사용법"),
    "use_command": ("On the command line:", "명령줄에서:"),
    "use_python": ("From Python:", "Python에서:"),
    # Repeat
    "repeat": ("Every number to repeat it", "재현에 필요한 모든 값"),
    "created": ("Made", "만든 때"),
    "network": ("Backbone", "백본"),
    "pretrained_on": ("Pretrained on", "사전학습 데이터"),
    "licence": ("Licence of its weights", "가중치 라이선스"),
    "weights": ("SHA-256 of its weights", "가중치 SHA-256"),
    "pixels": ("Input in pixels", "입력 크기(픽셀)"),
    "outputs": ("What the head reads", "헤드가 읽는 출력"),
    "head": ("Head", "헤드"),
    "temperature": ("Temperature", "온도"),
    "engine": ("Engine", "엔진"),
    "seed": ("Seed", "시드"),
    "fingerprint": ("SHA-256 of the data's list", "데이터 목록 SHA-256"),
    "versions": ("Versions", "버전"),
}
