"""What a subtitle shows that nobody says: sounds, music, notes, credits and a recogniser's inventions."""

import re

__all__ = ["is_credit", "is_sound", "is_thanks", "without_sounds"]

_NOUN = (
    r"웃음|눈웃음|비웃음|코웃음|헛웃음|폭소|박수|갈채|음악|배경음악|노래|콧노래|반주|연주|환호|환호성|함성|야유|"
    r"한숨|기침|재채기|하품|효과음|침묵|정적|고요|"
    r"울음|흐느낌|오열|통곡|비명|탄식|탄성|감탄|신음|숨소리|숨|발소리|말소리|소리|벨|벨소리|알림음|진동|진동음|"
    r"경적|사이렌|총성|폭발음|천둥|휘파람|"
    r"잡음|소음|무음|묵음|외국어|중얼거림|속삭임|전화벨|초인종|개 짖는 소리|BGM|bgm|효과|"
    r"laugh\w*|applau\w*|music|cheer\w*|sigh\w*|cough\w*|clap\w*|noise|silence|inaudible|unintelligible|crosstalk|"
    r"sound\w*|singing|gasp\w*|"
    r"foreign|blank_audio|no speech|ominous music"
)
_AFTER = (
    r"(?:\s*(?:이|가|을|를|와|과|도|와 함께|과 함께)?\s*(?:소리|중|함|침|터짐|터져 나옴|시작|끝|계속|세례|갈채|"
    r"고조|흐름|나옴|들림|이어짐|멈춤|"
    r"환호|웃음|박수|음악|흐른다|나온다|들린다|들려온다|터진다|친다|치며|치는 중|울린다|울리며))?"
)
_VERB = (
    r"(?:\S+\s+)?(?:웃는다|웃으며|웃으면서|웃는 소리|웃는 중|운다|울며|울먹이며|"
    r"흐느끼며|속삭이며|속삭임|소리치며|외치며|끄덕이며|박수치며|노래하며|노래하는 소리|노래 부르는 중)"
)
_SOUND = re.compile(rf"\s*(?:(?:\S+\s+){{0,3}}?\S*?(?:{_NOUN}){_AFTER}|{_VERB}|[~♪♫♬*#\s]+)\s*", re.IGNORECASE)
_ROUND = re.compile(r"\(([^()]{0,24})\)")
_SQUARE = re.compile(r"\[([^\[\]]{0,40})\]")
_BRACKETS = re.compile(r"[<{【〈《「『〔]\s*([^<>{}【】〈〉《》「」『』〔〕]{1,24})\s*[>}】〉》」』〕]")
_STARRED = re.compile(r"([*~])([^*~\n]{1,20})\1|#\s?([^\s#]{1,8})(?=\s|$)")
_VOICES = re.compile(r"\s*(?:남자|여자|남성|여성|화자|남|여)\s*[0-9A-Z]?\s*")

_CREDIT = re.compile(
    r"\s*(?:(?:한글|한국어|영어)?\s*자막\s*(?:제공|제작|협찬|번역|편집|싱크)?(?:자|팀)?\s*(?:[:/-]|by\b|및)|"
    r"자막제공\b|번역\s*[:/]|싱크\s*[:/]|(?:subtitles?|captions?|translated|sub(?:bed)?)\s+by\b|"
    r"amara\.org|www\.\S+|https?://\S+|MBC 뉴스 \S+입니다\W*$)",
    re.IGNORECASE,
)
_THANKS = re.compile(
    r"\W*(?:(?:끝까지|오늘도|지금까지|영상|영상을|오늘 영상|저희 영상)\s*)*(?:시청\s?해\s?주셔서|봐\s?주셔서|"
    r"들어\s?주셔서)\s*(?:정말\s*)?(?:감사합니다|고맙습니다|감사드립니다)\W*"
    r"|\W*구독과?\W*(?:와\s?)?좋아요\W*(?:알림\s?설정\W*)?"
    r"(?:부탁\s?드립니다|부탁\s?드려요|눌러\s?주세요)?\W*"
    r"|\W*다음\s?(?:영상|시간|주)에\s?(?:또\s?)?(?:만나요|뵙겠습니다|만나겠습니다|봐요)\W*"
)


def is_sound(text: str) -> bool:
    """Is this a sound or a note of one, as subtitles put it in brackets?

    Examples
    --------
    >>> [is_sound(text) for text in ("웃음", "일동 박수", "잔잔한 음악이 흐른다", "노래하는 법을 알려요", "민수")]
    [True, True, True, False, False]
    """
    return _SOUND.fullmatch(text) is not None


def without_sounds(line: str) -> str:
    """Take sounds in brackets, between stars or behind a hash from a line; other brackets stay."""
    line = _ROUND.sub(_unless_said, _SQUARE.sub(lambda m: " " if is_sound(m[1]) else m[0], line))
    line = _BRACKETS.sub(lambda m: " " if is_sound(m[1]) else m[0], line)
    line = _STARRED.sub(lambda m: " " if is_sound(m[2] or m[3]) else m[0], line)
    return re.sub("[♪♫♬]", " ", line)


def _unless_said(match: re.Match[str]) -> str:
    joined = match.start() > 0 and match.string[match.start() - 1].isalnum()
    if is_sound(match[1]) or not match[1].strip():
        return " "
    # (남자) alone is a voice, 남자(여자)하고 is speech; at the start of a line it is a speaker's label.
    return " " if _VOICES.fullmatch(match[1]) and not joined and match.string[: match.start()].strip() else match[0]


def is_credit(text: str) -> bool:
    """Does this name who made the subtitles? Nobody says it; recognisers that learned from subtitles write it.

    Examples
    --------
    >>> is_credit("자막 제공: 배달의민족"), is_credit("자막을 켜 주세요")
    (True, False)
    """
    return _CREDIT.match(text) is not None


def is_thanks(text: str) -> bool:
    """Is this a stock phrase that Whisper writes over silence, such as 시청해 주셔서 감사합니다?"""
    return _THANKS.fullmatch(text) is not None
