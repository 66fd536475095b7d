"""What the made-up speaker says; the words a gesture belongs to are marked ``[concept:words]``."""

import re
from dataclasses import dataclass

from ..errors import ConfigError

__all__ = ["Sentence", "sentences"]

_LINES = """
[greeting:안녕하세요], 여러분, 만나서 반갑습니다.
여러분 [greeting:안녕하세요], 오늘도 와 주셔서 고마워요.
다들 [greeting:안녕], 잘 지내셨어요?
[greeting:반갑습니다], 처음 뵙는 분들도 계시네요.
오랜만이에요, 정말 [greeting:반가워요].
[greeting:안녕하십니까], 오늘 방송 시작하겠습니다.
[greeting:어서 오세요], 기다리고 있었어요.
[greeting:하이], 오늘도 신나게 시작해 볼까요?

그럼 다음에 또 만나요, [farewell:안녕히 계세요].
오늘 영상은 이만 마칠게요, [farewell:잘 가요].
그럼 우리 다음 시간에 [farewell:다시 만나요].
[farewell:또 봐요], 좋은 하루 보내세요.
벌써 헤어질 시간이네요, [farewell:잘 가].
조심히 들어가시고요, [farewell:안녕히 가세요].
저는 이만 [farewell:물러갈게요], 다음에 뵈어요.
여러분 [farewell:바이바이], 내일 또 올게요.

끝까지 들어 주셔서 [bow:감사합니다].
정말 [bow:죄송합니다], 다음부터는 조심하겠습니다.
[bow:고맙습니다], 덕분에 잘 끝났습니다.
여러분께 정식으로 [bow:인사드리겠습니다].
앞으로도 잘 [bow:부탁드립니다].
어르신께 허리 숙여 [bow:인사드렸어요].
도와주신 모든 분께 [bow:감사드립니다].
제가 잘못했습니다, 진심으로 [bow:사과드립니다].

[yes:네], 맞아요, 바로 그거예요.
[yes:그럼요], 당연히 할 수 있죠.
그 말씀에 저도 완전히 [yes:동의해요].
[yes:맞습니다], 아주 잘 이해하셨어요.
[yes:좋아요], 그렇게 하기로 해요.
[yes:물론이죠], 언제든지 물어보세요.
[yes:알겠습니다], 바로 준비할게요.

[no:아니요], 그건 사실이 아니에요.
그렇게 하면 [no:안 돼요], 큰일 나요.
저는 [no:싫어요], 하지 않을래요.
이건 [no:절대] 따라 하지 마세요.
[no:아니], 그건 제 잘못이 아니라니까요.
[no:그게 아니라], 순서가 잘못된 거예요.
그 방법은 [no:틀렸어요], 다시 해 봅시다.

[here:여기] 보이시죠, 이게 중요해요.
이름은 바로 [here:여기에] 적어 주세요.
자 그럼 [here:여기서] 잠깐 멈춰 볼게요.
제가 찾던 게 [here:여기] 있었네요.
[here:이것]을 한번 자세히 봐 주세요.
지금 [here:이 자리]에서 바로 시작합니다.
[here:요기]를 꾹 눌러 주세요.

[there:저기] 멀리 산이 보이네요.
[there:저쪽]에 서 있는 분이 누구죠?
제 친구는 [there:저기]에서 기다려요.
[there:저 건물] 뒤로 돌아가면 돼요.
우리 [there:저기까지] 같이 걸어가요.
[there:저 멀리] 바다가 보이기 시작했어요.

[left:왼쪽]을 보세요, 뭔가 보이죠?
다음 골목에서 [left:왼쪽]으로 가면 나와요.
[left:왼편]에 있는 그림이 제 작품이에요.
사거리에서 [left:좌회전]해서 쭉 가시면 됩니다.
제 [left:왼쪽]에 앉아 계신 분이 선생님이세요.
화면 [left:좌측]을 눌러 주세요.
버스 정류장은 [left:왼쪽]에 있어요.

[right:오른쪽]을 보세요, 문이 하나 있죠?
다음 신호에서 [right:오른쪽]으로 가면 보여요.
[right:오른편]에 있는 가게가 제일 맛있어요.
은행 앞에서 [right:우회전]하시면 됩니다.
제 [right:오른쪽]에 서 있는 친구를 소개할게요.
화면 [right:우측]에 나오는 글을 읽어 보세요.
화장실은 복도 [right:오른쪽]에 있어요.

[up:위]를 보세요, 하늘이 정말 파래요.
화면 [up:위쪽]에 제목이 있어요.
요즘 물가가 자꾸 [up:올라가고] 있어요.
어제는 아주 [up:높은] 산에 다녀왔어요.
풍선이 [up:하늘로] 날아갔어요.
엘리베이터를 타고 [up:위로] 올라가세요.
시험 점수가 쑥쑥 [up:올랐어요].

[down:아래]를 조심하세요, 계단이 있어요.
영상 [down:아래쪽]에 링크를 남겨 둘게요.
밤사이 기온이 뚝 [down:떨어졌어요].
[down:바닥]에 뭐가 떨어져 있네요.
천천히 [down:내려가세요], 미끄러워요.
다행히 가격이 많이 [down:내렸어요].
지하로 한 층 더 [down:내려가면] 돼요.

시장에서 이만큼 [big:커다란] 수박을 샀어요.
집이 [big:엄청 넓어서] 깜짝 놀랐어요.
아버지가 정말 [big:큰] 물고기를 잡았어요.
새로 지은 운동장이 [big:아주 넓어요].
[big:이만한] 상자가 집 앞에 왔어요.
직접 보니까 생각보다 [big:훨씬 커요].
마당에 [big:거대한] 나무가 서 있었어요.

창가에 [small:작은] 새 한 마리가 날아왔어요.
글씨가 너무 [small:작아서] 안 보여요.
소금은 [small:조금만] 넣어 주세요.
[small:요만한] 강아지를 데려왔어요.
크기가 손톱만큼 [small:작아요].
목표까지 [small:아주 조금] 모자랐어요.
방이 [small:좁아서] 조금 불편해요.

[count:하나, 둘, 셋], 시작!
오늘은 [count:첫째, 둘째, 셋째]로 나눠서 설명할게요.
저랑 같이 세어 볼까요, [count:하나, 둘, 셋].
제가 [count:일, 이, 삼] 하면 뛰는 거예요.
준비됐죠, [count:하나, 둘, 셋], 찰칵!
순서는 [count:첫 번째, 두 번째, 세 번째]예요.

[thinking:음], 그건 좀 생각해 봐야겠어요.
[thinking:글쎄요], 저도 잘 모르겠는데요.
저녁에 뭘 먹을지 [thinking:고민] 중이에요.
왜 그런지 곰곰이 [thinking:생각해] 봤어요.
이걸 [thinking:어떻게 할까], 정말 어렵네요.
그게 [thinking:뭐였더라], 기억이 안 나요.
답이 뭘지 한번 [thinking:생각해] 보세요.

[cheer:만세], 드디어 해냈어요!
[cheer:야호], 내일부터 방학이다!
우리 팀이 [cheer:이겼어요], 최고예요!
다 같이 [cheer:파이팅] 외쳐 볼까요?
[cheer:와아], 시험에 합격했어요!
드디어 [cheer:성공했습니다], 정말 기뻐요!
여러분 [cheer:힘내세요], 할 수 있어요!

[greeting:안녕하세요], 먼저 제 [left:왼쪽]을 봐 주세요.
[greeting:반갑습니다], 오늘은 [small:작은] 화분을 가져왔어요.
여러분 [greeting:안녕하세요], 늘 [bow:고맙습니다].
오늘도 [bow:감사합니다], 다음에 [farewell:또 만나요].
[yes:네], 그러면 [here:여기] 앉으세요.
[yes:맞아요], 정답은 [up:위쪽]에 있어요.
[no:아니요], 문은 [right:오른쪽]에 있어요.
[no:안 돼요], 거기서 [down:아래]로 뛰지 마세요.
[here:여기]서 출발해서 [there:저기]까지 뛰어갔어요.
[left:왼쪽]이 아니라 [right:오른쪽]으로 가면 돼요.
[right:오른쪽]을 보시고 [left:왼쪽]도 확인하세요.
[up:위]에서부터 [down:아래]까지 천천히 읽어 주세요.
[small:작은] 것부터 아주 [big:큰] 것까지 다 있어요.
[thinking:음], 제 생각에는 [left:왼쪽]이 맞아요.
자, [count:하나, 둘, 셋], 다 같이 [cheer:만세]!
[cheer:야호], 진짜 [big:커다란] 선물이에요!
"""
_MARK = re.compile(r"\[(\w+):([^\]]+)\]")


@dataclass(frozen=True)
class Sentence:
    """A Korean sentence and the gestures that belong to its words.

    Attributes
    ----------
    text : str
    marks : tuple of (str, int, int)
        Concept, and where its words start and end in `text`.

    Examples
    --------
    >>> sentence = Sentence.parse("[left:왼쪽]을 보세요.")
    >>> sentence.text, sentence.concepts
    ('왼쪽을 보세요.', ('left',))
    """

    text: str
    marks: tuple[tuple[str, int, int], ...] = ()

    @staticmethod
    def parse(line: str) -> "Sentence":
        """Read a line with marked words, ``"[left:왼쪽]을 보세요."``."""
        text, marks, end = "", [], 0
        for mark in _MARK.finditer(line):
            text += line[end : mark.start()]
            marks.append((mark[1], len(text), len(text) + len(mark[2])))
            text, end = text + mark[2], mark.end()
        return Sentence(text + line[end:], tuple(marks))

    @property
    def concepts(self) -> tuple[str, ...]:
        """The concepts in the order they are spoken."""
        return tuple(mark[0] for mark in self.marks)

    def opened(self, opener: str) -> "Sentence":
        """Give the sentence with `opener` before it."""
        marks = tuple((name, start + len(opener), end + len(opener)) for name, start, end in self.marks)
        return Sentence(opener + self.text, marks)


_SENTENCES = tuple(Sentence.parse(line) for line in _LINES.split("\n") if line)


def sentences(concept: str | None = None) -> tuple[Sentence, ...]:
    """Give everything the made-up speaker can say.

    Parameters
    ----------
    concept : str, optional
        Only sentences with this one concept; see `CONCEPTS`. By default all,
        with those that join two concepts.

    Returns
    -------
    sentences : tuple of Sentence

    Raises
    ------
    ConfigError
        If there is no such concept.

    Examples
    --------
    >>> [sentence.text for sentence in sentences("left")][0]
    '왼쪽을 보세요, 뭔가 보이죠?'
    """
    if concept is None:
        return _SENTENCES
    found = tuple(sentence for sentence in _SENTENCES if sentence.concepts == (concept,))
    if not found:
        known = sorted({name for sentence in _SENTENCES for name in sentence.concepts})
        raise ConfigError("The speaker has no such concept.", expected=", ".join(known), found=repr(concept))
    return found
