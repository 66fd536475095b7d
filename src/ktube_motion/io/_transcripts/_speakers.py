"""Whose words are these: labels such as ``민수:``, ``(스님)`` or ``>>`` taken from the text and told apart from it."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...types import Cue
from .._characters import normalize_text
from ._sounds import is_sound

__all__ = [
    "MARK_END",
    "MARK_START",
    "NAMELESS",
    "Labels",
    "find_labels",
    "is_known_label",
    "known_labels",
    "main_speaker",
]

MARK_START, MARK_END = "\ue000", "\ue001"  # private: around a voice that a tag names, <v 민수>
NAMELESS = ("?1", "?2")  # voices that a file tells apart but does not name

_KNOWN = re.compile(
    r"(?:화자|발화자|발언자|진행자|사회자|앵커|기자|리포터|아나운서|내레이션|나레이션|내레이터|나레이터|해설자?|"
    r"남자|여자|남성|여성|남|여|질문자|"
    r"답변자|인터뷰어|인터뷰이|게스트|호스트|유튜버|참석자|참가자|참여자|패널|청중|관객|면접관|지원자|상담사|"
    r"내담자|학생|선생님|교사|교수|강사|스님|"
    r"목사|신부|의사|환자|고객|손님|직원|통역|엄마|아빠|아들|딸|할머니|할아버지|"
    r"MC|speaker|spk|host|guest|interviewer|interviewee|moderator|narrator|man|woman|male|female|voice|unknown|Q|A)"
    r"(?:[ _-]{0,2}(?:[0-9]{1,3}|[A-Z]))?",
    re.IGNORECASE,
)
# What stands before a colon and is no speaker, however often it comes.
_NO_SPEAKER = set(
    "주의 참고 예 예시 예컨대 즉 단 주 질문 답 정답 답변 결론 결과 요약 정리 준비물 재료 제목 부제 출처 주제 "
    "문제 해설편 팁 비고 목표 목적 방법 이유 "
    "원인 효과 장점 단점 특징 정의 조건 순서 시간 날짜 장소 일시 기간 대상 가격 비용 전화 주소 이메일 홈페이지 "
    "문의 자막 번역 제작 편집 촬영 연출 "
    "구성 음악 노래 작사 작곡 제공 협찬 광고 첫째 둘째 셋째 넷째 다섯째 하나 둘 셋 넷 다섯 처음 마지막 다음 먼저 "
    "그리고 그러나 하지만 그래서 오전 "
    "오후 아침 점심 저녁 월 화 수 목 금 토 일 월요일 화요일 수요일 목요일 금요일 토요일 일요일 어제 오늘 내일 "
    "국어 영어 수학 한국어 일본어 중국어 "
    "안내 공지 알림 경고 필수 선택 추천 핵심 포인트 중요 단계 동작 자세 운동 세트 횟수 준비 시작 종료 끝 계속 "
    "중략 생략 "
    "note notes tip step example ex http https warning title subject answer question ps "
    "번외 왼쪽 오른쪽 왼손 오른손".split()
)
_SURNAMES = (
    "김이박최정강조윤장임한오서신권황안송전홍유고문양손배백허남심노하곽성차주우구민류나진지엄채원천방공현"
    "함변염여추도소석선설마길연위표명기반왕금옥육인맹제모탁국어은편용예봉경"
)
_NAME = re.compile(
    rf"[{_SURNAMES}][가-힣]{{2}}(?:\s?(?:씨|님|선생님|교수|대표|기자|감독|코치|작가|박사|팀장|과장|부장|대리|의원))?"
)
_OPEN, _CLOSE = r"[\[(【〈《<「『〔〖{]", r"[\])】〉》>」』〕〗}]"
_BRACKETED = re.compile(rf"{_OPEN}\s*([^\[\]()【】〈〉《》<>「」『』〔〕〖〗{{}}]{{1,24}}?)\s*{_CLOSE}\s*:?")
# A name before another sign: 남) …, 민수> …, 민수 | …, 민수 - …; a point only behind Q and A.
_SIGN = r"\s*(?:\)|>(?!>)|\||\s[-–—](?=\s))"
_SIGNED = re.compile(rf"(?:([^\W_][\w]{{0,9}}(?: \w{{1,5}})?){_SIGN}|([QA])\s*\.(?=\s))(?=\s*\S)")
# A name in quotes before a colon; and before a full stop, as a sentence of one word stands too.
_QUOTED = re.compile(r"[\"“”'‘’]\s*([^\"“”'‘’:\[\](){}]{1,24}?)\s*[\"“”'‘’]\s*:(?!//)")
_POINTED = re.compile(r"([가-힣]{2,5}(?: ?[0-9]{1,3})?)\s?\.\s+(?=\S)")
# Sentences of one word, which people say again and again, and what is enumerated.
_SENTENCE = re.compile(
    r".*[요다죠까]|[네예응음어아자그저뭐와오]+|아니|그래|글쎄|맞아|좋아|안녕|고마워|미안|진짜로?|정말로?|하하+|호호+|"
    r"그럼|그치|그렇지|당연히?|물론|역시|이제|일단|우선|잠깐만?|잠시만|근데|그런데|그래서|그리고|하지만|아무튼|어쨌든"
)
_POINTED_SHARE = 0.6  # of all lines begin with one of a few names, where a full stop is to mean a label
_ENUMERATED = re.compile(r"[가나다라마바사아자차카타파하]|[A-Za-z]|[0-9]+|[ivx]+")
_COLON = re.compile(
    r""
    r"([^\s:\[\](){}【】〈〉《》<>.,!?…\"'“”‘’\ue000\ue001][^:\[\](){}【】〈〉《》<>.,!?…\"'“”‘’\ue000\ue001]{0,23}?(?:\s?\([^()]{1,10}\))?)\s*:(?!//)"
)
# A known label further on in a line: in round brackets, or before a colon behind the end of a sentence.
_KNOWN_INSIDE = re.compile(
    rf"(?<=[\s.?!…])\(({_KNOWN.pattern})\)(?=\s)|[.?!…]\s({_KNOWN.pattern})\s*:\s", re.IGNORECASE
)
# A name before a colon further on in a line that begins with one.
_INSIDE = re.compile(r"(?<=\s)([가-힣A-Za-z]\w{1,9})\s?:(?=\s)")
_CLOCK_BEHIND = re.compile(r"\s*\([0-9:.]+\)$")
_MAY_MARK = re.compile(rf"[{MARK_START}>:]|{_OPEN}")
_LEAD = re.compile(r"\s*(?:[-–—•·]\s*|>{2,}\s*)*")
_DASH = re.compile(r"\s*[-–—](?:\s+|(?=[가-힣\[(【〈<]))")
_LATER_DASH = re.compile(r"(?<=[.?!…~])\s+[-–—](?:\s+|(?=[가-힣]))")


def _key(label: str) -> str:
    """Compare labels without spaces and case: 화자1 is 화자 1."""
    return re.sub(r"[\s_-]+", "", label).casefold()


def _may_be(label: str) -> bool:
    """Can this be a name at all?"""
    words = label.split()
    plain = 0 < len(words) <= 3 and len(label) <= 20 and (any(map(str.isalpha, label)) or label[0] == "#")
    phrase = len(words) > 1 and re.search(r"(?:[은는을를에의로]|하고|해서|다|요)$", label)
    return plain and not phrase and _key(label) not in _NO_SPEAKER and not is_sound(label)


@dataclass
class Labels:
    """The speakers' labels of one file.

    Attributes
    ----------
    names : dict of str to str
        Each label, as it is compared, to its name, as it was first written.
    signed : set of str
        Those that stand before another sign than a colon (``남)``, ``민수>``), as they are compared.
    removed, changes : int
        Labels taken from the lines read so far; marks of another voice (``>>``) among them.
    possible : int
        Lines that begin with a word and a full stop, which may be a label, and were left as they are.
    """

    names: dict[str, str] = field(default_factory=dict)
    signed: set[str] = field(default_factory=set)
    removed: int = 0
    changes: int = 0
    possible: int = 0

    def __post_init__(self) -> None:
        spellings = sorted(self.names, key=len, reverse=True)
        # Spaces within a label may come and go.
        names, signed = (
            "|".join(r"[\s_-]*".join(map(re.escape, key)) for key in spellings if wanted is None or key in wanted)
            or r"(?!)"
            for wanted in (None, self.signed)
        )
        long = "|".join(r"[\s_-]*".join(map(re.escape, key)) for key in spellings if len(key) > 1) or r"(?!)"
        self._mark = re.compile(
            rf"{MARK_START}(?P<tag>[^{MARK_END}]*){MARK_END}:?"
            r"|(?P<change>>{2,})"
            rf"|(?:^|(?<=[\s.?!…>\-–—{MARK_END}])){_OPEN}\s*(?P<bracket>{names})\s*{_CLOSE}\s*:?"
            rf"|(?:^|(?<=[.?!…>\-–—]\s)|(?<=[>\-–—{MARK_END}]))"
            rf"(?:[\"“”'‘’]\s*(?P<quoted>{names})\s*[\"“”'‘’]|(?P<colon>{names}))\s*:{{1,2}}(?!//)(?:\*\*(?=\s))?"
            rf"|(?<=\s)(?P<inside>{long})\s?:(?=\s)"
            rf"|^(?P<signed>{signed})(?:{_SIGN}|\s*\.(?=\s))",
            re.IGNORECASE,
        )

    def read(self, lines: Sequence[str]) -> list[list[tuple[str | None, str]]]:
        """Give (speaker, text) pieces of each line of a cue; the speaker is None where no label says it."""
        dashes = sum(bool(_DASH.match(line)) + len(_LATER_DASH.findall(line)) for line in lines if _DASH.match(line))
        voice: str | None = None
        turn, result = 0, []
        for line in lines:
            parts = [line]
            if match := _DASH.match(line):
                parts = [part for part in _LATER_DASH.split(line[match.end() :])]
            row = []
            for part in parts:
                if match and dashes > 1:
                    voice, turn = NAMELESS[turn % 2], turn + 1
                    self.removed += 1
                pieces = self._split(part, voice)
                voice = pieces[-1][0]
                row += pieces
            result.append(row)
        return result

    def _split(self, text: str, voice: str | None) -> list[tuple[str | None, str]]:
        if not self.signed and not _MAY_MARK.search(text):  # nearly all lines
            return [(voice, text)]
        pieces: list[tuple[str | None, str]] = []
        place = 0
        for match in self._mark.finditer(text):
            if not pieces or text[place : match.start()].strip():
                pieces.append((voice, text[place : match.start()]))
            voice = self._name(match)
            place = match.end()
            self.removed += 1
        rest = text[place:]
        pieces.append((voice, rest))
        if place and self._mark.match(rest.lstrip()):  # one label behind another
            pieces[-1:] = self._split(rest.lstrip(), voice)
        return pieces

    def _name(self, match: re.Match[str]) -> str | None:
        if match["change"]:
            self.changes += 1
            return NAMELESS[self.changes % 2]
        if match["tag"] is not None:
            return " ".join(match["tag"].split()) or None
        return self.names[
            _key(match["bracket"] or match["quoted"] or match["colon"] or match["inside"] or match["signed"])
        ]


def is_known_label(text: str) -> bool:
    """Does this mean a speaker in any text, as 화자 1 and SPEAKER_00 do?"""
    return len(text) > 1 and _KNOWN.fullmatch(text.strip()) is not None


def known_labels() -> Labels:
    """Give the labels that mean a speaker in any text: 화자 1, MC, SPEAKER_00 and their kind."""
    return _AnyKnown()


class _AnyKnown(Labels):
    """Labels for a single text, of which no file tells which recur."""

    def __post_init__(self) -> None:
        known = _KNOWN.pattern
        self._mark = re.compile(
            rf"{MARK_START}(?P<tag>[^{MARK_END}]*){MARK_END}:?|(?P<change>>{{2,}})"
            rf"|^{_OPEN}\s*(?P<bracket>{known})\s*{_CLOSE}\s*:?"
            rf"|(?:^|(?<=[.?!…>\-–—]\s)|(?<=[>\-–—{MARK_END}]))(?P<colon>{known})\s*:(?!//)",
            re.IGNORECASE,
        )

    def _name(self, match: re.Match[str]) -> str | None:
        return match["tag"] or match["bracket"] or match["colon"] or NAMELESS[0]


def find_labels(lines: Iterable[str]) -> Labels:
    """Find the labels of a file: known ones, and what recurs as a label at the start of lines.

    Parameters
    ----------
    lines : iterable of str
        All lines of all cues, without tags and sounds.

    Returns
    -------
    labels : Labels

    Notes
    -----
    A label stands in brackets or before a colon. It is a speaker if it is known to be one (화자 1, MC, SPEAKER_00),
    or if two different lines begin with it and it is neither a sound nor a word that introduces something (주의:, 예:).
    Where numbered ones recur, the others of their kind are speakers too (S1:, S2:), and so is a name before a colon
    within two lines that begin with a label. A name with a Korean surname in brackets counts once where there are
    other labels. A name before another sign (``남)``, ``민수>``, ``Q.``) counts if two of them recur, or it is known
    to be one. Before a full stop stand labels and sentences of one word (``민수. 안녕``, ``정말. 그래요``): known
    labels that recur count, and two to six recurring words that begin most of all lines; others are counted as
    possible.
    """
    seen: dict[str, set[str]] = defaultdict(set)
    spelled: dict[str, str] = {}
    spoken: dict[str, int] = defaultdict(int)
    names: dict[str, str] = {}
    single: dict[str, str] = {}
    signed: dict[str, tuple[str, set[str]]] = {}
    within: dict[str, tuple[str, set[str]]] = {}
    pointed: dict[str, tuple[str, set[str]]] = {}
    lines = list(lines)
    for line in lines:
        for inner in _KNOWN_INSIDE.findall(line) if "(" in line or ":" in line else ():
            label = " ".join(max(inner, key=len).split())
            names.setdefault(_key(label), label)
        start = len(line) - len(_LEAD.sub("", line, count=1)) if _LEAD.match(line) else 0
        match = _BRACKETED.match(line, start) or _COLON.match(line, start) or _QUOTED.match(line, start)
        if match is None and (point := _POINTED.match(line)) is not None:
            _note_pointed(" ".join(point[1].split()), line, pointed)
        if match is None and (match := _SIGNED.match(line)) is not None:
            _note_signed(match, line, signed)
            continue
        if match is None or not _may_be(label := " ".join(match[1].split())):
            continue
        rest, colon = line[match.end() :].strip(), match.re is not _BRACKETED
        if colon and label[-1].isdigit() and rest[:1].isdigit():
            continue  # a time of day or a score
        for inner in _INSIDE.findall(rest) if colon and ":" in rest else ():
            if _may_be(inner):
                within.setdefault(_key(inner), (inner, set()))[1].add(line)
        key = _key(label)
        seen[key].add(line)
        spelled.setdefault(key, label)
        spoken[key] += bool(rest)
        if _KNOWN.fullmatch(label) and (colon or len(key) > 1):
            names.setdefault(key, label)
        elif not colon and _NAME.fullmatch(label):
            single.setdefault(key, label)
    for key, rows in seen.items():
        if len(rows) > 1 and (2 * spoken[key] >= len(rows)):
            names.setdefault(key, spelled[key])
    stems = {key.rstrip("0123456789") for key in names if key[-1].isdigit()}
    names |= {key: spelled[key] for key in seen if key[-1].isdigit() and key.rstrip("0123456789") in stems - {""}}
    if names:
        names = {**single, **{key: label for key, (label, rows) in within.items() if len(rows) > 1}, **names}
    names = {key: _tidy(label) for key, label in names.items()}
    often = {key: label for key, (label, rows) in signed.items() if len(rows) > 1 and len(signed) > 1}
    often = often if len(often) > 1 or all(map(_KNOWN.fullmatch, often.values())) else {}
    points, possible = _pointed_names(pointed, len(lines))
    return Labels({**points, **often, **names}, {*points, *often}, possible=possible)


def _tidy(label: str) -> str:
    """Give a name without what decorates it: stars, arrows, emoji, the time behind it."""
    label = _CLOCK_BEHIND.sub("", label)
    while label[:1] and not label[0].isalnum() and label[0] != "#":
        label = label[1:].lstrip("\ufe0f\u200d ")
    while label[-1:] and not label[-1].isalnum() and label[-1] != ")":
        label = label[:-1]
    return label


def _note_signed(match: re.Match[str], line: str, signed: dict[str, tuple[str, set[str]]]) -> None:
    """Remember a name before a sign and its line; no numbers and letters that count."""
    label = " ".join((match[1] or match[2]).split())
    known = match[2] is not None or label in ("남", "여")
    if known or (_may_be(label) and not _ENUMERATED.fullmatch(label)):
        signed.setdefault(_key(label), (label, set()))[1].add(line)


def _note_pointed(label: str, line: str, pointed: dict[str, tuple[str, set[str]]]) -> None:
    if _may_be(label) and not _SENTENCE.fullmatch(label):
        pointed.setdefault(_key(label), (label, set()))[1].add(line)


def _pointed_names(pointed: dict[str, tuple[str, set[str]]], lines: int) -> tuple[dict[str, str], int]:
    """Give the names before full stops that are labels, and how many lines begin with what only may be one."""
    often = {key: (label, len(rows)) for key, (label, rows) in pointed.items() if len(rows) > 1}
    count = sum(rows for _, rows in often.values())
    sure = 1 < len(often) <= 6 and count > 3 and count >= _POINTED_SHARE * lines
    names = {key: label for key, (label, _) in often.items() if sure or _KNOWN.fullmatch(label)}
    left = sum(rows for key, (_, rows) in often.items() if key not in names)
    return names, left if 20 * count >= lines else 0  # now and then it is a habit of speech


def main_speaker(cues: Iterable[Cue], *, wanted: str = "") -> str:
    """Name the speaker who speaks longest, or the one that is wanted if the cues have him.

    Parameters
    ----------
    cues : iterable of Cue
        As `clean_cues` gives them.
    wanted : str
        A speaker's name; spaces, hyphens and case do not matter.

    Returns
    -------
    speaker : str
        As it stands in the cues; ``""`` is the voice without a label.

    Examples
    --------
    >>> cues = [Cue(0, 3, "안녕하세요", speaker="진행자"), Cue(3, 9, "반갑습니다", speaker="강사 1")]
    >>> main_speaker(cues), main_speaker(cues, wanted="진행자")
    ('강사 1', '진행자')
    """
    seconds: dict[str, float] = defaultdict(float)
    for cue in cues:
        seconds[cue.speaker] += cue.seconds
    key = _key(normalize_text(wanted))
    named = next((name for name in seconds if name and _key(name) == key), None)
    return named if named is not None else max(seconds, key=lambda name: seconds[name], default="")
