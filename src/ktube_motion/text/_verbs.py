"""Which verb is it: verbs that lose their ㄹ, and main verbs that look auxiliary.

Before ㄴ, ㅂ, 시 and 오 a stem in ㄹ loses it, so that 드는 may come from 들다, 사는 from 살다 or 사다. Kiwi
decides by frequency; for gestures what the verb stands with decides better.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kiwipiepy import Token

__all__ = ["main_verbs"]

# Lemmas that do not exist, or nearly never: the verb with ㄹ is meant.
_ALWAYS = {"도다": "돌다", "떠다": "떨다", "만드다": "만들다"}
# With an object: 하늘을 나는, 몸을 트는, 손을 드시고, 손을 드세요, 물건을 파는.
_WITH_OBJECT = {"나다": "날다", "트다": "틀다", "드시다": "들다", "드세다": "들다", "파다": "팔다"}
_NOT_WITH = {
    "트다": "싹 움 길 물꼬 동 말",
    "드시다": "밥 식사 진지 약 음식 물 술 차 커피 빵 과일 국 고기 점심 저녁 아침 간식 떡 사과 주스 이것 그것 것",
    "파다": "땅 구멍 굴 우물 흙 도장 홈 모래 밭 귀 구덩이 코 눈밭",
}
# With these objects only: 칼을 가는 sharpens, 학교를 가는 goes.
_ONLY_WITH = {
    "가다": ("갈다", "칼 날 낫 먹 맷돌 이 이빨 콩 고기 원두 커피 전구 기저귀 밭 배터리 건전지 필터 무 당근"),
    "끄다": ("끌다", "수레 손수레 짐 리어카 의자 카트 상자 가방 썰매 줄 발 다리 유모차 책상 옷자락 치맛자락 캐리어"),
    "사다": ("살다", "삶 인생 하루 세상 평생 생활 일생"),
    "부시다": ("불다", "풍선 나팔 피리 휘파람 입김 촛불 하모니카 비눗방울 호루라기 플루트 트럼펫"),
    "마시다": ("말다", "김밥 멍석 김 종이 담배 이불 매트 수건 돗자리 신문지"),
    "만들다": ("말다", "김밥 멍석 돗자리"),
    "다시다": ("달다", "단추 리본 이름표 배지 커튼 태극기 국기 날개 명찰 꽃 브로치"),
    "팔다": ("파다", "땅 구멍 굴 우물 흙 모래 구덩이"),
}
# Nouns and pronouns that nobody means before 는: 문을 여는 손, 아는 사람.
_NO_NOUNS = {"여": "열다", "아": "알다", "노": "놀다"}
_BEFORE_AUXILIARY = ("EC", "ETM", "ETN", "NNB", "VX")


def main_verbs(morphemes: Sequence[Any]) -> dict[int, str]:
    """Find the verbs that Kiwi takes for another word or for an auxiliary.

    Parameters
    ----------
    morphemes : sequence of kiwipiepy.Token

    Returns
    -------
    verbs : dict of int to str
        Places of verbs to their dictionary form, where it is not what Kiwi says or the verb is a main one.
    """
    verbs = {}
    for i, morpheme in enumerate(morphemes):
        tag = morpheme.tag.partition("-")[0]
        if tag in ("VV", "VA", "VX"):
            lemma = _lemma(morphemes, i, tag)
            main = tag == "VX" and not _is_auxiliary(morphemes, i)
            if lemma != morpheme.lemma or main:
                verbs[i] = lemma
        elif morpheme.form in _NO_NOUNS and tag in ("NP", "NNG", "NNP", "IC") and _is_verb_form(morphemes, i):
            verbs[i] = _NO_NOUNS[morpheme.form]
    return verbs


def _is_auxiliary(morphemes: Sequence["Token"], i: int) -> bool:
    """Auxiliaries follow a connective ending, perhaps with a particle (들지는 않다), or a bound noun (척하다)."""
    before = i - 1
    while before >= 0 and morphemes[before].tag in ("JX", "JKO", "JKS") and before > 0:
        if morphemes[before - 1].tag not in ("EC", "ETN"):
            return False
        before -= 1
    return before >= 0 and morphemes[before].tag.partition("-")[0] in _BEFORE_AUXILIARY


def _lemma(morphemes: Sequence["Token"], i: int, tag: str) -> str:
    morpheme = morphemes[i]
    lemma = _ALWAYS.get(morpheme.lemma, morpheme.lemma)
    noun, particle = _companion(morphemes, i)
    if lemma == "드세다" and particle == "MAG":
        return "들다"
    if particle == "JKO":
        new, objects = _ONLY_WITH.get(lemma, ("", ""))
        if noun in objects.split() or (noun and noun[-2:] in objects.split()):
            return new
        if noun not in _NOT_WITH.get(lemma, "").split() and (tag != "VA" or lemma == "드세다"):
            return _WITH_OBJECT.get(lemma, lemma)
    elif lemma == "사다" and particle in ("JKB", "MAG", "JX") and not _has_object(morphemes, i):
        return "살다" if _drops_l(morphemes, i) else lemma
    elif lemma in ("부시다",) and noun == "바람":
        return "불다"
    return lemma


def _companion(morphemes: Sequence["Token"], i: int) -> tuple[str, str]:
    """Give (noun, particle's tag) of what stands before a verb; adverbs between are passed over."""
    j = i - 1
    while j >= 0 and (morphemes[j].tag == "MAG" or morphemes[j].form in ("혼자", "함께")):
        j -= 1
    if j < 0:
        return "", "MAG" if i > 0 else ""
    tag = morphemes[j].tag
    if not tag.startswith("J"):
        return "", "MAG" if j < i - 1 else ""
    return (morphemes[j - 1].form if j else ""), tag


def _has_object(morphemes: Sequence["Token"], i: int) -> bool:
    """Is there an object since the last verb?"""
    for morpheme in reversed(morphemes[:i]):
        if morpheme.tag == "JKO":
            return True
        if morpheme.tag[0] in "VE":
            return False
    return False


def _drops_l(morphemes: Sequence["Token"], i: int) -> bool:
    """Does an ending follow before which ㄹ is lost?"""
    return i + 1 < len(morphemes) and morphemes[i + 1].form[:1] in (
        "는",
        "네",
        "니",
        "시",
        "세",
        "십",
        "ᆫ",
        "ㄴ",
        "ᆸ",
        "ㅂ",
    )


def _is_verb_form(morphemes: Sequence["Token"], i: int) -> bool:
    """Is this the stem of a verb before 는 and a noun, or before 세요 and 시고?"""
    start = i == 0 or morphemes[i - 1].tag == "JKO" or morphemes[i - 1].end < morphemes[i].start
    if not start or i + 1 >= len(morphemes) or morphemes[i + 1].start != morphemes[i].end:
        return False
    following = morphemes[i + 1]
    if following.form == "는" and following.tag in ("JX", "ETM"):
        return i + 2 < len(morphemes) and morphemes[i + 2].tag[0] in "NM"
    return morphemes[i].form == "아" and following.form[:1] in ("시", "세", "십")
