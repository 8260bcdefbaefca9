"""What frames the page: its answer, its data, how to use the model and how to repeat it."""

TEXTS: dict[str, tuple[str, str]] = {
    "page_title": ("Model: {name}", "모델: {name}"),
    "made_by": (
        "Made by topwork {version}. Everything on this page lies in this one file.",
        "topwork {version}에서 만든 페이지입니다. 모든 내용이 이 파일 하나에 담겨 있습니다.",
    ),
    "contents": ("Contents", "목차"),
    "images": ("Images", "이미지"),
    "classes": ("Classes", "클래스"),
    "class": ("Class", "클래스"),
    "accuracy": ("Accuracy", "정확도"),
    "picture": ("Picture {name}", "사진 {name}"),
    "no_picture": ("No picture", "사진 없음"),
    "interval": ("In brackets: 95 % intervals.", "괄호 안: 95 % 신뢰구간."),
    "over": ("over {share}", "{share} 초과"),
    "more": ("… and {count} more.", "… 외 {count}개."),
    "numbers": ("The numbers", "수치"),
    # The answer
    "answer": ("The answer", "한눈에 보기"),
    "answer_good": (
        "Of 100 new images of this kind, about {share} will be named right (95 % interval {low} to {high}; "
        "{n} images that the model had not seen were asked).",
        "같은 종류의 새 이미지 100장 가운데 약 {share}장을 맞힐 것으로 예상됩니다(95 % 신뢰구간 {low}~{high}장, "
        "모델이 보지 못한 이미지 {n}장으로 측정).",
    ),
    "answer_asked": (
        "Of 100 new images of this kind, about {share} will be named right (95 % interval {low} to {high}; "
        "{n} images were asked, and nobody knows whether it had seen them).",
        "같은 종류의 새 이미지 100장 가운데 약 {share}장을 맞힐 것으로 예상됩니다(95 % 신뢰구간 {low}~{high}장, "
        "이미지 {n}장으로 측정, 모델이 이미 본 이미지인지는 알 수 없음).",
    ),
    "answer_seen_some": (
        "{trained} of these {n} images were used to make the model, so the figures are better than it is: {share} "
        "of 100 are named right.",
        "이미지 {n}장 중 {trained}장은 모델을 만드는 데 쓴 것이므로 실제 성능보다 높게 나온 값입니다. "
        "100장 중 {share}장을 맞혔습니다.",
    ),
    "answer_seen": (
        "These images were used to make the model, so the figures are better than it is: {share} of 100 are named "
        "right.",
        "모델을 만드는 데 쓴 이미지로 측정했으므로 실제 성능보다 높게 나온 값입니다. 100장 중 {share}장을 맞혔습니다.",
    ),
    "answer_unmeasured": (
        "No images were held out, so nobody knows how good this model is on new ones.",
        "따로 떼어 둔 평가용 이미지가 없어 새 이미지에서의 성능은 알 수 없습니다.",
    ),
    "answer_cv": (
        "By cross-validation on the training images {share} of 100 were named right.",
        "학습 이미지로 교차검증했을 때는 100장 중 {share}장을 맞혔습니다.",
    ),
    "answer_mistake": (
        "Its most frequent mistake is to take {true} for {said}: {count} of {total} images.",
        "가장 흔한 오분류는 ‘{true}’ → ‘{said}’입니다({total}장 중 {count}장).",
    ),
    "answer_flawless": (
        "Not one of the images was taken for another class.",
        "잘못 분류한 이미지가 한 장도 없습니다.",
    ),
    "answer_sure": (
        "Left to answer only where it is sure, it answers {answered} of the images and is right in {right} of those; "
        "let a person look at the rest.",
        "확신도가 충분할 때만 답하게 하면 이미지의 {answered}에 답하고, 그중 {right}를 맞힙니다. "
        "나머지는 사람이 확인하세요.",
    ),
    "answer_all": (
        "It is sure enough of all of them: where {level} was promised, {right} of the answers are right.",
        "모든 이미지에 확신도가 충분합니다. 정확도 {level}를 약속한 조건에서 {right}를 맞혔습니다.",
    ),
    "answer_unsure": (
        "It cannot promise any accuracy beyond that: there were too few images to tell when it is sure.",
        "그보다 높은 정확도는 약속할 수 없습니다. 확신도를 얼마부터 믿어도 되는지 판단하기에는 이미지가 너무 "
        "적었습니다.",
    ),
    "answer_shift": (
        "Beware: {unfamiliar} of the {images} images are unlike those that trained the model, where one in twenty "
        "would be usual.",
        "주의: 이미지 {images}장 중 {unfamiliar}장이 학습 이미지와 동떨어져 있습니다. 보통은 스무 장 중 한 장 "
        "정도입니다.",
    ),
    "strategy": ("Strategy", "학습 방식"),
    # Data
    "data": ("Data", "데이터"),
    "data_training": ("Training images", "학습 이미지"),
    "data_measured": ("Measured on", "평가 이미지"),
    "data_left_out": ("Files left out of the fit", "학습할 때 제외한 파일"),
    "data_unread": ("Files left out here", "평가에서 제외한 파일"),
    "data_notes": ("What was noticed about the data of the fit:", "학습 데이터의 특이 사항:"),
    "data_measured_notes": ("What was noticed about the images that were measured:", "평가 이미지의 특이 사항:"),
    "data_sound": ("Nothing about the data stood out.", "데이터에 특이 사항이 없습니다."),
    "data_check": (
        "{command} shows every finding with its pictures.",
        "{command} 명령을 실행하면 점검 결과 전체를 사진과 함께 볼 수 있습니다.",
    ),
    # Findings
    "findings": ("What the data doctor found", "데이터 점검 결과"),
    "findings_what": (
        "The images in question, the worst first.",
        "문제가 되는 이미지를 심한 것부터 보여 줍니다. 설명은 영어로 표시됩니다.",
    ),
    "finding_advice": ("What to do:", "조치:"),
    "finding_more": (
        "… and {count} more: {command} lists them.",
        "… 외 {count}건. {command} 명령으로 모두 볼 수 있습니다.",
    ),
    "finding_files": ("Its first {shown} files are shown.", "파일 중 처음 {shown}개만 표시했습니다."),
    "given": ("Given", "주어진 라벨"),
    "likely": ("Likely", "추정 라벨"),
    "severity_blocks": ("Blocks", "중단"),
    "severity_warning": ("Warning", "경고"),
    "severity_note": ("Note", "참고"),
    "means_blocks": (
        "a model's figures would be untrue, so fit stops",
        "모델의 성능 수치를 믿을 수 없게 되므로 fit이 멈춥니다",
    ),
    "means_warning": ("may spoil a model", "모델의 성능을 떨어뜨릴 수 있습니다"),
    "means_note": ("good to know", "알아 두면 좋습니다"),
    # Use
    "use": ("How to use it", "사용법"),
    "use_command": ("On the command line:", "명령줄에서:"),
    "use_python": ("From Python:", "Python에서:"),
    # Repeat
    "repeat": ("Every number to repeat it", "재현에 필요한 모든 값"),
    "created": ("Made", "만든 날짜"),
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
    "asked": ("What fit was asked", "fit에 지정된 설정"),
    "fingerprint": ("SHA-256 of the data's list", "데이터 목록 SHA-256"),
    "versions": ("Versions", "버전"),
}
