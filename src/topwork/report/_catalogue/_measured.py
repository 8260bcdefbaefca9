"""What measured the model: metrics, mistakes, confidence, promises."""

TEXTS: dict[str, tuple[str, str]] = {
    # Metrics
    "metrics": ("Metrics", "지표"),
    "metric": ("Metric", "지표"),
    "value": ("Value", "값"),
    "top5": ("Top-5 accuracy", "Top-5 정확도"),
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
        "정답이 확률 상위 다섯 클래스에 든 비율",
    ),
    "balanced_accuracy_means": ("the same, every class counting alike", "모든 클래스를 같은 비중으로 본 정확도"),
    "macro_f1_means": (
        "precision and recall together, every class counting alike",
        "정밀도와 재현율을 함께 본 F1을 모든 클래스에 같은 비중으로 평균한 값",
    ),
    "roc_auc_means": (
        "how often an image of a class ranks above another one; 0.5 is chance",
        "해당 클래스 이미지가 다른 이미지보다 높은 점수를 받을 확률, 0.5면 무작위 수준",
    ),
    "average_precision_means": (
        "precision while going down a class's ranking; 1 is flawless",
        "점수순으로 내려가며 본 정밀도의 평균, 1이면 완벽",
    ),
    "log_loss_means": (
        "price of unsure and wrong answers; 0 is flawless",
        "틀리거나 확신이 낮은 답에 주는 벌점, 0이면 완벽",
    ),
    "brier_means": ("distance from the truth, 0 to 2", "예측 확률과 정답 사이의 거리, 0~2"),
    "ece_means": ("how far confidence and accuracy lie apart", "확신도와 실제 정확도의 차이"),
    # Confusion
    "confusion": ("What is taken for what", "무엇을 무엇으로 혼동하는가"),
    "confusion_rows": (
        "Rows: what an image shows. Columns: what the model says.",
        "행은 실제 클래스, 열은 모델의 예측입니다.",
    ),
    "confusion_leads": (
        "A number leads to its images, up to {most} of each, to keep this page small.",
        "숫자를 누르면 해당 이미지로 이동합니다. 페이지 크기를 줄이기 위해 칸마다 최대 {most}장을 담았습니다.",
    ),
    "confusion_pairs": ("The most frequent mistakes:", "가장 흔한 오분류:"),
    "confusion_opens": (
        "(each opens up to {most} of its images)",
        "(누르면 해당 이미지가 최대 {most}장 나타납니다)",
    ),
    "confusion_rare": ("Rarer mistakes", "드문 오분류"),
    "confusion_right": ("Right answers", "정답"),
    "confusion_more": (
        "{count} rarer kinds of mistakes are not shown, to keep this page small.",
        "페이지 크기를 줄이기 위해 더 드문 오분류 {count}가지는 표시하지 않았습니다.",
    ),
    "taken_for": ("taken for", "→"),
    "confusion_true": ("shown", "실제"),
    "confusion_said": ("said", "예측"),
    "confusion_shown": (
        "{shown} of {count} are shown, the surest first.",
        "{count}장 중 확신도가 높은 순서로 {shown}장만 표시했습니다.",
    ),
    # Pictures
    "worst": ("The worst mistakes", "가장 심한 오답"),
    "worst_what": (
        "Wrong answers given with the greatest confidence. Are the labels right?",
        "확신도가 가장 높았던 오답입니다. 라벨이 맞는지 확인하세요.",
    ),
    "maps_what": (
        "Beside each: what speaks for its answer and what for the right class, as Grad-CAM sees it in the square that "
        "the network was shown; the brighter, the more.",
        "옆의 그림은 네트워크에 입력된 정사각형 이미지에서 모델의 답과 정답을 각각 뒷받침하는 부분을 Grad-CAM으로 "
        "나타낸 것입니다. 밝을수록 근거가 강합니다.",
    ),
    "maps_unsure": (
        "Beside each: what speaks for the likeliest class and what for the next, as Grad-CAM sees it in the square "
        "that the network was shown; the brighter, the more.",
        "옆의 그림은 네트워크에 입력된 정사각형 이미지에서 가장 유력한 클래스와 그다음 클래스를 각각 뒷받침하는 부분을 "
        "Grad-CAM으로 나타낸 것입니다. 밝을수록 근거가 강합니다.",
    ),
    "map": ("Speaks for {label}", "{label}의 근거"),
    "unsure": ("The least sure answers", "가장 불확실한 답"),
    "unsure_what": (
        "Where the likeliest class was the least likely. More images like these would teach the most.",
        "가장 유력한 클래스의 확률조차 낮았던 이미지입니다. 이런 이미지를 더 모으면 가장 큰 도움이 됩니다.",
    ),
    "is": ("Is", "실제"),
    "said": ("Said", "예측"),
    "sure": ("Sure", "확신도"),
    # Classes
    "per_class": ("Class by class", "클래스별 성능"),
    "precision": ("Precision", "정밀도"),
    "recall": ("Recall", "재현율"),
    "f1": ("F1", "F1 점수"),
    "per_class_what": (
        "Precision: how many of the answers are right. Recall: how many of the class's images are found.",
        "정밀도는 그 클래스로 예측한 것 중 맞은 비율, 재현율은 그 클래스 이미지 중 찾아낸 비율입니다.",
    ),
    "per_class_weakest": (
        "The {shown} classes with the lowest recall are shown.",
        "재현율이 가장 낮은 클래스 {shown}개만 표시했습니다.",
    ),
    # Calibration
    "calibration": ("Can its confidence be trusted?", "확신도를 믿어도 되는가?"),
    "calibration_what": (
        "Of the answers given with 80 % confidence, 80 % should be right: then the points lie on the line. "
        "Their size tells how many images there are.",
        "확신도 80 %로 답한 것 중 80 %가 맞으면 점이 선 위에 놓입니다. 점의 크기는 이미지 수를 나타냅니다.",
    ),
    "calibration_before": (
        "Temperature scaling took the calibration error from {before} to {after}.",
        "온도 스케일링으로 보정 오차가 {before}에서 {after}로 바뀌었습니다.",
    ),
    "calibrated": ("as it answers", "보정 후"),
    "uncalibrated": ("before scaling", "보정 전"),
    "confidence": ("Confidence", "확신도"),
    "chart": (
        "Chart of accuracy over confidence; the table below it has its numbers.",
        "확신도에 따른 정확도 그래프. 수치는 아래 표에 있습니다.",
    ),
    # Promises
    "promises": ("What it can promise", "약속할 수 있는 수준"),
    "promises_what": (
        "Thresholds were read off {count} images ({source}) and tried on those that measured the model. A promise "
        "holds on average over all classes, not for each by itself; for this one model the intervals tell how far.",
        "임계값은 이미지 {count}장({source})으로 정하고, 평가 이미지로 확인했습니다. 약속은 클래스마다가 아니라 전체 "
        "평균에 대한 것이며, 이 모델에서 얼마나 지켜지는지는 신뢰구간으로 알 수 있습니다.",
    ),
    "source_cross-validation": ("out-of-fold answers on training images", "학습 이미지의 교차검증 예측"),
    "source_validation": ("validation images", "검증 이미지"),
    "source_training": (
        "training images that taught it nothing but a temperature",
        "온도 값을 정하는 데만 쓴 학습 이미지",
    ),
    "promised": ("Promised", "약속한 수준"),
    "sets": ("Sets that hold the class", "정답이 포함된 집합"),
    "size": ("Classes in a set", "집합당 클래스 수"),
    "answered": ("Answered", "답한 비율"),
    "right": ("Right answers", "답 중 정답 비율"),
    "promises_how": (
        "Sets: {coverage}. Scores only where it is sure: {abstain}.",
        "예측 집합: {coverage}. 확신할 때만 답하기: {abstain}.",
    ),
    # Shift
    "shift": ("Are these images like the training images?", "학습 이미지와 비슷한가?"),
    "shift_quiet": (
        "Yes: {unfamiliar} of {images} lie farther out than 95 % of the training images do; about {expected} are to be "
        "expected.",
        "예. {images}장 중 {unfamiliar}장이 학습 이미지의 95 %가 놓인 범위 밖에 있으며, 약 {expected}장이면 "
        "정상입니다.",
    ),
    "shift_alarm": (
        "No: {unfamiliar} of {images} lie farther out than 95 % of the training images do; about {expected} would be "
        "usual. The model may not be made for such images.",
        "아니요. {images}장 중 {unfamiliar}장이 학습 이미지의 95 %가 놓인 범위 밖에 있습니다. 보통은 약 "
        "{expected}장입니다. 이런 이미지에 맞는 모델이 아닐 수 있습니다.",
    ),
}
