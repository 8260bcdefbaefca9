"""What images and the model make of each other: features, robustness, ideal images."""

TEXTS: dict[str, tuple[str, str]] = {
    # Feature space
    "space": ("Feature space", "특징 공간"),
    "space_what": (
        "Each dot is one of the images that measured the model, where the two principal components of what the network "
        "makes of it (PCA) place it: near to each other lies what looks alike to the network. Colours are classes.",
        "점 하나가 평가 이미지 한 장입니다. 네트워크가 추출한 특징을 주성분 두 개(PCA)로 나타냈으며, 네트워크가 "
        "비슷하게 보는 이미지일수록 가까이 놓입니다. 색은 클래스를 나타냅니다.",
    ),
    "space_point": ("Point at a dot to see its image.", "점을 가리키면 해당 이미지가 나타납니다."),
    "space_some": (
        "Some have none, to keep this page small.",
        "페이지 크기를 줄이기 위해 일부 점에는 이미지가 없습니다.",
    ),
    "space_wrong": ("What is named wrong has a dark ring.", "모델이 틀린 이미지에는 검은 테두리가 있습니다."),
    "space_list": ("The images one by one", "이미지 목록"),
    "space_list_wrong": ("The images one by one, those named wrong first", "이미지 목록(틀린 것부터)"),
    "space_between": (", taken for", ", 모델의 답은"),
    "space_shown": (
        "{shown} of the {images} images are shown, to keep this page small.",
        "페이지 크기를 줄이기 위해 이미지 {images}장 중 {shown}장만 표시했습니다.",
    ),
    "space_map": ("Map of the images at {output}", "{output}에서 본 이미지 분포"),
    "space_agreement": (
        "{output}: {share} of the five nearest neighbours are of the same class",
        "{output}: 가장 가까운 이웃 다섯 장 가운데 같은 클래스인 비율 {share}",
    ),
    # Robustness
    "robustness": ("Robustness", "강건성"),
    "robustness_corrupted": (
        "Of {images} images {clean} are named right as they are, and {mean} on average when they are blurred, noisy, "
        "compressed or over-exposed, each at five strengths.",
        "이미지 {images}장 중 {clean}를 원본 그대로일 때 맞혔고, 흐림·노이즈·JPEG 압축·과다 노출을 각각 다섯 단계로 "
        "주었을 때는 평균 {mean}를 맞혔습니다.",
    ),
    "robustness_attacked": (
        "Accuracy on {images} images that were changed by a little: at random (plain noise), or on purpose, so that "
        "the model errs (FGSM, PGD).",
        "이미지 {images}장을 조금씩 바꾸었을 때의 정확도입니다. 무작위로 바꾼 경우(단순 노이즈)와 모델이 틀리도록 "
        "일부러 바꾼 경우(FGSM, PGD)를 비교합니다.",
    ),
    "robustness_strength": ("Strength", "강도"),
    "robustness_linf": ("Largest change of a value, of 255", "픽셀값의 최대 변화(255 기준)"),
    "robustness_l2": ("Length of the change (L2)", "변화의 크기(L2)"),
    "curve": ("{name}: accuracy {values}", "{name}: 정확도 {values}"),
    "attack_noise": ("plain noise", "단순 노이즈"),
    "attack_fgsm": ("FGSM, one step", "FGSM, 한 단계"),
    "attack_pgd": ("PGD, many steps", "PGD, 여러 단계"),
    "not_computed": (
        "Not computed, since it takes a while. To have it here:",
        "시간이 걸리는 계산이라 아직 하지 않았습니다. 여기에 추가하려면:",
    ),
    # Ideal images
    "ideal": ("Ideal images", "클래스별 이상적인 이미지"),
    "ideal_what": (
        "What the model would like best to see as a class, painted by gradient ascent from noise: on the left with "
        "every pixel free, which gives noise that scores high; on the right with what makes it a picture.",
        "모델이 그 클래스로 가장 확신할 이미지를 노이즈에서 출발해 경사 상승법으로 그린 것입니다. 왼쪽은 픽셀을 제약 "
        "없이 바꾼 것으로 점수만 높은 노이즈가 되고, 오른쪽은 그림이 되도록 제약을 둔 것입니다.",
    ),
    "ideal_found": (
        "{label}: {share} probable, {after} after a shift and a JPEG.",
        "{label}: 확률 {share}, 위치를 옮기고 JPEG로 압축한 뒤에는 {after}.",
    ),
    # Explanations
    "explained": ("What else was looked into", "그 밖에 살펴본 것"),
    "no_sheet": ("The picture is left out to keep this page small.", "페이지 크기를 줄이기 위해 그림은 뺐습니다."),
}
