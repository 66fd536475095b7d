"""Latin words in Hangul, roughly as a Korean says them: right in the number of syllables more often than in sound."""

import re
from collections.abc import Sequence

__all__ = ["read_latin"]

_NAMES = "에이 비 씨 디 이 에프 지 에이치 아이 제이 케이 엘 엠 엔 오 피 큐 알 에스 티 유 브이 더블유 엑스 와이 제트"
_LETTERS = dict(zip("abcdefghijklmnopqrstuvwxyz", _NAMES.split(), strict=True))
_DIGITS = dict(zip("0123456789", "제로 원 투 쓰리 포 파이브 식스 세븐 에이트 나인".split(), strict=True))
# Names and words that rules would get wrong, or that are written like letters to spell.
_KNOWN = dict(
    entry.split("=")
    for entry in (
        "youtube=유튜브 youtuber=유튜버 google=구글 apple=애플 iphone=아이폰 ipad=아이패드 facebook=페이스북 "
        "instagram=인스타그램 twitter=트위터 tiktok=틱톡 netflix=넷플릭스 naver=네이버 kakao=카카오 samsung=삼성 "
        "hyundai=현대 amazon=아마존 microsoft=마이크로소프트 windows=윈도우 android=안드로이드 nasa=나사 covid=코로나 "
        "chatgpt=챗지피티 python=파이썬 github=깃허브 ok=오케이 vs=대 no=넘버 dr=닥터 mr=미스터 ms=미즈 the=더 "
        "hello=헬로 hi=하이 bye=바이 one=원 two=투 love=러브 live=라이브 like=라이크 time=타임 game=게임 home=홈 "
        "video=비디오 audio=오디오 radio=라디오 idea=아이디어 online=온라인 offline=오프라인 email=이메일 web=웹 "
        "app=앱 blog=블로그 news=뉴스 team=팀 design=디자인 service=서비스 office=오피스 coffee=커피 care=케어 "
        "music=뮤직 people=피플 world=월드 new=뉴 you=유 your=유어 we=위 are=아 is=이즈 and=앤드 of=오브 "
        "to=투 in=인 on=온 for=포 with=위드 what=왓 why=와이 how=하우 pop=팝 wifi=와이파이 usb=유에스비 mp3=엠피쓰리"
    ).split()
)
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]")


def read_latin(word: str) -> str:
    """Read a word of Latin letters, which may end in digits, in Hangul.

    Examples
    --------
    >>> [read_latin(word) for word in ("AI", "YouTube", "GPT4", "tv", "smart", "KBS")]
    ['에이아이', '유튜브', '지피티포', '티브이', '스마트', '케이비에스']
    """
    if word.lower() in _KNOWN:
        return _KNOWN[word.lower()]
    return "".join(_piece(piece) for piece in _PIECE.findall(word))


def _piece(piece: str) -> str:
    if piece in _DIGITS:
        return _DIGITS[piece]
    small = piece.lower()
    if small in _KNOWN:
        return _KNOWN[small]
    spelled = (piece.isupper() and len(piece) <= 5) or not re.search("[aeiouy]", small) or len(piece) == 1
    return "".join(_LETTERS[letter] for letter in small) if spelled else _transcribe(small)


# -- By rule: consonants and vowels become syllables, a consonant without a vowel gets 으 ------

_CONSONANTS = dict(
    entry.split("=")
    for entry in (
        "ch=ㅊ sh=ㅅ th=ㅅ ph=ㅍ gh=ㄱ wh=ㅇ ck=ㅋ qu=ㅋ kn=ㄴ wr=ㄹ ng=ㅇ b=ㅂ c=ㅋ d=ㄷ f=ㅍ "
        "g=ㄱ h=ㅎ j=ㅈ k=ㅋ l=ㄹ m=ㅁ n=ㄴ p=ㅍ q=ㅋ r=ㄹ s=ㅅ t=ㅌ v=ㅂ w=ㅇ x=ㅅ y=ㅇ z=ㅈ"
    ).split()
)
_VOWELS = dict(
    entry.split("=")
    for entry in (
        "oo=ㅜ ee=ㅣ ea=ㅣ ou=ㅏㅜ ow=ㅗ ai=ㅔㅣ ay=ㅔㅣ ei=ㅔㅣ ey=ㅣ ie=ㅣ oa=ㅗ oi=ㅗㅣ oy=ㅗㅣ au=ㅗ "
        "aw=ㅗ ue=ㅠ ew=ㅠ er=ㅓ a=ㅏ e=ㅔ i=ㅣ o=ㅗ u=ㅓ y=ㅣ"
    ).split()
)
_LONG = {"a": "ㅔㅣ", "i": "ㅏㅣ", "o": "ㅗ", "u": "ㅠ", "y": "ㅏㅣ"}
_SOUND = re.compile(
    "(?P<long>[aiouy])(?=[bcdfgklmnpstvz]e$)"  # a silent e at the end makes this vowel long: game, like
    "|(?P<silent>(?<=[bcdfgklmnprstvxz])e$|(?<=[aeiou])r(?![aeiouy]))"
    "|(?P<le>(?<=[bcdfgkpstvz])le$)"
    "|(?P<vowel>er(?![aeiouy])|(?!er|y)(?:" + "|".join(sorted(_VOWELS, key=len, reverse=True)) + ")|e|y(?![aeiou]))"
    "|(?P<consonant>ng(?![aeiouy])|(?!ng)(?:" + "|".join(sorted(_CONSONANTS, key=len, reverse=True)) + ")|n)"
)
_CODAS = {"ㄴ": "ㄴ", "ㅁ": "ㅁ", "ㄹ": "ㄹ", "ㅇ": "ㅇ", "ㅂ": "ㅂ", "ㅍ": "ㅂ", "ㅋ": "ㄱ", "ㄱ": "ㄱ", "ㅌ": "ㅅ"}
_SONORANT = "ㄴㅁㄹㅇ"  # these close a syllable anywhere, stops only after a short vowel at the end: 팝, but 스마트
_INITIALS, _MEDIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ", "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"


def _transcribe(word: str) -> str:
    """Say a word of small letters by rule."""
    single = re.sub(r"([b-df-hj-np-tv-z])\1", r"\1", word)
    sounds = [(match.lastgroup, match[0]) for match in _SOUND.finditer(single)]
    kinds = ["", *(kind for kind, _ in sounds), ""]
    syllables: list[list[str]] = []  # initial, vowel, final; an empty vowel waits for the next sound
    for (kind, letters), before, after in zip(sounds, kinds, kinds[2:], strict=False):
        if kind == "consonant":
            sound = _CONSONANTS[letters]
            sonorant = sound in _SONORANT and before in ("vowel", "long")
            if after in ("vowel", "long"):
                syllables.append([sound, "", " "])
            elif sonorant or (sound in _CODAS and before == "vowel" and not after):
                syllables[-1][2] = _CODAS[sound]
            else:
                syllables.append([sound, "ㅡ", " "])
        elif kind == "le":
            syllables[-1][2] = "ㄹ"
        elif kind in ("vowel", "long"):
            vowels = list(_LONG[letters] if kind == "long" else _VOWELS[letters])
            first, rest = vowels[0], vowels[1:]
            if syllables and not syllables[-1][1]:
                syllables[-1][1] = first
            else:
                syllables.append(["ㅇ", first, " "])
            syllables += [["ㅇ", vowel, " "] for vowel in rest]
    return "".join(map(_compose, syllables))


def _compose(syllable: Sequence[str]) -> str:
    initial, medial, final = syllable
    return chr(0xAC00 + (_INITIALS.index(initial) * 21 + _MEDIALS.index(medial)) * 28 + _FINALS.index(final))
