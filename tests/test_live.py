"""Live: lines to words, words to bones, bones to avatars; bursts, clients that go away, ports in use."""

import json
import socket
import threading
import time

import numpy as np
import pytest
from test_pipeline import make_transformer, tokenizer  # noqa: F401 (a fixture)
from test_pipeline_words import Letters

from ktube_motion.errors import ConfigError, DataError, FormatError, KtubeError
from ktube_motion.kinematics import forward_kinematics
from ktube_motion.live import speak_live, vmc_messages
from ktube_motion.live._beat import Beat, BeatOptions, Piece
from ktube_motion.live._lines import Arrivals, parse_line
from ktube_motion.live._session import _bones, _t_pose
from ktube_motion.live._sockets import listen, parse_place, socket_lines
from ktube_motion.live._vmc import UNITY_NAMES, packets
from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.skeletons import SMPL_22, SMPLX_55
from ktube_motion.text import EmbeddedTextEncoder, visemes
from ktube_motion.text._tracks import NUM_TIMES
from ktube_motion.types import Motion, Word


@pytest.fixture(scope="module")
def pipeline(tokenizer):  # noqa: F811
    words = Letters()
    model = make_transformer(tokenizer, word_dim=4 + NUM_TIMES, word_encoder=words.identity)
    return UtteranceToMotion(tokenizer, model, EmbeddedTextEncoder(), word_encoder=words)


@pytest.fixture
def ear():
    """Give a receiver of datagrams: its socket and what it got, with times."""
    got, end = [], threading.Event()
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    listener.settimeout(0.1)

    def hear():
        while not end.is_set():
            try:
                got.append((time.monotonic(), listener.recv(4096)))
            except TimeoutError:
                continue

    thread = threading.Thread(target=hear)
    thread.start()
    yield listener, got
    end.set()
    thread.join()
    listener.close()


def line(word, start, end):
    return json.dumps({"word": word, "start": start, "end": end}, ensure_ascii=False)


def read(datagrams):
    """Give the messages of datagrams as (address, values)."""
    from pythonosc.osc_bundle import OscBundle

    return [(m.address, list(m.params)) for data in datagrams for m in OscBundle(data)]


# ---- lines ----


def test_lines_are_words_or_sentences():
    assert parse_line(line("손을", 1.2, 1.5)) == [Word(1.2, 1.5, "손을")]
    assert parse_line('{"word": "\\u110b\\u1161\\u11ab", "start": 0, "end": 1}')[0].text == "안"  # decomposed
    said = parse_line('{"text": "손을 들어 주세요.", "start": 2}')
    assert [word.text for word in said] == ["손을", "들어", "주세요."]
    assert said[0].start == 2
    assert said[-1].end > 2.5


@pytest.mark.parametrize(
    "bad",
    ["{", "[]", "3", "null", '{"word": 3, "start": 0, "end": 1}', '{"word": "  ", "start": 0, "end": 1}',
     '{"word": "손", "start": 2, "end": 1}', '{"word": "손", "start": -1, "end": 1}', '{"word": "손", "start": "0"}',
     '{"word": "손", "start": NaN, "end": 1}', '{"word": "손", "start": true, "end": 2}', '{"text": "손"}',
     "[" * 100_000],
)  # fmt: skip
def test_lines_that_are_none(bad):
    with pytest.raises(FormatError):
        parse_line(bad)


class Clock:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        self.seconds += 0.001
        return self.seconds


def test_words_come_in_the_order_of_their_times():
    told = []
    arrivals = Arrivals(Clock(), told.append, ahead=1.0)
    for word in (Word(5.0, 5.2, "가"), Word(5.6, 5.8, "다"), Word(5.3, 5.5, "나")):
        arrivals.put(word)
    arrivals.close()
    items = list(arrivals)
    words = [item for item in items if isinstance(item, Word)]
    assert [(word.text, round(word.start, 6)) for word in words] == [("가", 1.0), ("나", 1.3), ("다", 1.6)]
    starts = [item.start if isinstance(item, Word) else item for item in items]
    assert starts == sorted(starts)
    assert not told


def test_a_word_after_its_time_is_said_at_once_and_told():
    told = []
    arrivals = Arrivals(Clock(), told.append, ahead=1.0)
    arrivals.put(Word(0.0, 0.2, "가"))
    items = iter(arrivals)
    while not (isinstance(now := next(items), float) and now > 2.0):
        pass
    arrivals.put(Word(0.5, 0.9, "늦은"))
    late = next(item for item in items if isinstance(item, Word))
    assert late.start >= now
    assert late.end - late.start == pytest.approx(0.4, abs=0.01)
    assert "늦은" in told[0]
    assert arrivals.late == 1


def test_a_burst_waits_its_turn():
    arrivals = Arrivals(Clock(), str, ahead=1.0)

    def send():
        for k in range(5000):
            arrivals.put(Word(k / 1000, k / 1000 + 0.1, "말"))
        arrivals.close()

    sender = threading.Thread(target=send)
    sender.start()
    words = [item for item in arrivals if isinstance(item, Word)]
    sender.join()
    assert len(words) == 5000


# ---- bones ----


def test_bones_turn_a_t_pose_into_the_motion():
    rng = np.random.default_rng(0)
    from scipy.spatial.transform import Rotation

    turns = Rotation.from_rotvec(rng.normal(0, 0.3, (4 * 22, 3))).as_matrix().reshape(4, 22, 3, 3)
    offsets = _t_pose(SMPL_22)
    positions = forward_kinematics(turns, np.zeros((4, 3)), skeleton=SMPL_22, offsets=offsets)
    quats, roots = _bones(Motion(skeleton=SMPL_22, positions=positions, fps=20))
    local = Rotation.from_quat(quats.reshape(-1, 4)).as_matrix().reshape(4, 22, 3, 3)
    again = forward_kinematics(local, np.asarray(roots, float), skeleton=SMPL_22, offsets=offsets)
    assert np.abs(again - positions).max() < 1e-5


def test_vmc_is_left_handed_and_names_unitys_bones():
    assert len(set(UNITY_NAMES.values())) == 52
    assert UNITY_NAMES["left_thumb1"] == "LeftThumbProximal"
    quats = np.tile([0.1, 0.2, 0.3, 0.927], (55, 1))
    messages = vmc_messages(
        SMPLX_55.joint_names, quats, SMPLX_55.offsets, np.array([0.5, 0.9, 0.2]), mouth={"aa": 0.7}, seconds=1.5
    )
    bones = {values[0]: values[1:] for address, values in messages if address == "/VMC/Ext/Bone/Pos"}
    assert set(bones) == set(UNITY_NAMES.values())
    assert bones["Hips"] == pytest.approx([0, 0.9, 0, 0.1, -0.2, -0.3, 0.927])
    x, y, z = SMPLX_55.offsets[16]
    assert bones["LeftUpperArm"][:3] == pytest.approx([-x, y, z])
    addresses = dict(messages)
    assert addresses["/VMC/Ext/Root/Pos"] == ["root", -0.5, 0.0, 0.2, 0.0, 0.0, 0.0, 1.0]
    assert addresses["/VMC/Ext/Blend/Val"] == ["A", 0.7]
    assert messages[-1][0] == "/VMC/Ext/Blend/Apply"
    data = list(packets(messages))
    assert max(map(len, data)) <= 1400
    assert [address for address, _ in read(data)] == [address for address, _ in messages]


def beat_of(times, fps=20.0):
    options = BeatOptions(30.0, 0.05, ("pelvis",), np.zeros((1, 3)), ("aa",), None, None, 0)
    beat = Beat(options)
    roots = np.stack([np.array([time, 0, 0]) for time in times])
    quats = np.tile([0.0, 0, 0, 1], (len(times), 1, 1))
    beat.take(Piece(times[0], fps, quats, roots, np.ones((len(times), 1))))
    beat.begin(10.0)
    return beat


def test_poses_between_frames_and_when_the_next_is_late():
    beat = beat_of([0.0, 0.05, 0.1])
    assert beat.at(9.9) is None
    for moment in (10.0, 10.03, 10.08, 10.12):  # the last goes on as it went
        now, _, root, _ = beat.at(moment)
        assert (now, root[0]) == (pytest.approx(moment - 10), pytest.approx(moment - 10))
    assert not beat.stalls
    now, _, root, _ = beat.at(11.0)
    assert (now, root[0]) == (pytest.approx(0.15), pytest.approx(0.15))
    assert (beat.stalls, beat.stalled) == (1, pytest.approx(0.85))
    beat.at(11.5)
    assert beat.stalls == 1
    assert beat.stalled == pytest.approx(1.35)


def test_what_was_waited_is_made_up_for():
    beat = beat_of([0.0, 0.05, 0.1])
    beat.at(10.0)
    beat.at(10.35)  # frames end at 0.15
    assert beat.behind == pytest.approx(0.2)
    times = 0.15 + np.arange(80) / 20
    quats, roots = np.tile([0.0, 0, 0, 1], (80, 1, 1)), np.stack([times, 0 * times, 0 * times], -1)
    beat.take(Piece(0.15, 20, quats, roots, np.zeros((80, 1))))
    assert not beat.over  # though it waited a moment ago
    moments = 10.35 + np.arange(1, 60) / 30
    shown = np.array([beat.at(moment)[0] for moment in moments])
    steps = np.diff(shown)
    assert steps.min() > 1 / 30 - 1e-9  # never back, never slower
    assert steps.max() == pytest.approx(1.15 / 30)  # never so much faster that it shows
    assert shown[-1] == pytest.approx(moments[-1] - 10.0)  # in time again
    assert beat.behind == 0
    assert beat.stalled == pytest.approx(0.2)


def test_motion_is_not_hurried_to_where_nothing_is_yet():
    beat = beat_of([0.0, 0.05, 0.1])
    beat.at(10.0)
    beat.at(10.35)
    beat.take(Piece(0.15, 20, np.tile([0.0, 0, 0, 1], (2, 1, 1)), np.zeros((2, 3)), np.zeros((2, 1))))
    beat.at(10.38)
    assert beat.stalls == 1
    assert beat.behind == pytest.approx(0.2 - 0.15 * 0.03)


# ---- the whole ----


def test_a_beat_is_over_when_all_is_played_or_nothing_came():
    beat = Beat(BeatOptions(30, 0.05, ("a",), np.zeros((1, 3)), ("aa",), None, None, 0))
    assert beat.over
    beat.begin(10.0)
    assert beat.over  # words that the model makes nothing of
    beat.take(Piece(0.0, 20, np.tile([0, 0, 0, 1.0], (4, 1, 1)), np.zeros((4, 3)), np.zeros((4, 1))))
    assert not beat.over
    beat.at(10.1)
    assert not beat.over
    beat.at(11.0)
    assert beat.over


def test_words_move_an_avatar(pipeline, ear):
    listener, got = ear
    lines = [line("여러분", 0.0, 0.4), "{", line("아아", 0.5, 0.9), line("마아", 1.0, 1.4)]
    told, pages = [], []

    def page(port):
        from websockets.sync.client import connect

        def look():
            with connect(f"ws://127.0.0.1:{port}") as socket_:
                pages.extend(json.loads(message) for message in socket_)

        threading.Thread(target=look, daemon=True).start()

    report = speak_live(
        pipeline, lines, vmc=listener.getsockname(), websocket=("127.0.0.1", 0), tell=told.append, ready=page, seed=0
    )
    assert (report.words, report.bad_lines, report.late_words) == (3, 1, 0)
    assert "line 2" in told[0]
    assert report.frames > 30
    time.sleep(0.2)
    messages = read([data for _, data in got])
    bones = [values for address, values in messages if address == "/VMC/Ext/Bone/Pos"]
    assert len(bones) == 22 * report.frames
    assert np.isfinite(np.array([values[1:] for values in bones])).all()
    np.testing.assert_allclose(np.linalg.norm([values[4:] for values in bones], axis=-1), 1, atol=1e-4)
    seconds = [values[0] for address, values in messages if address == "/VMC/Ext/T"]
    assert seconds == sorted(seconds)
    mouth = [values[1] for address, values in messages if address == "/VMC/Ext/Blend/Val" and values[0] == "A"]
    assert max(mouth) > 0.9
    assert mouth[-1] == 0
    hello, *frames = pages
    assert (hello["type"], hello["fps"], len(hello["bones"])) == ("hello", 30, 22)
    assert len(frames) > 10
    assert np.shape(frames[0]["q"]) == (22, 4)


def test_pages_that_go_away_and_nobody_listening_do_no_harm(pipeline):
    def page(port):
        for _ in range(3):
            raw = socket.create_connection(("127.0.0.1", port))
            raw.send(b"GET / HTTP/1.1\r\n")
            raw.close()
        from websockets.sync.client import connect

        with connect(f"ws://127.0.0.1:{port}", close_timeout=0.1) as client:
            client.recv()
            client.socket.shutdown(socket.SHUT_RDWR)  # without a word

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = unused.getsockname()
    report = speak_live(pipeline, [line("손을", 0.0, 0.5)], vmc=nobody, websocket=("127.0.0.1", 0), ready=page)
    assert report.frames > 5


def test_no_words_end_at_once(pipeline):
    report = speak_live(pipeline, [], vmc=("127.0.0.1", 9))
    assert (report.words, report.frames) == (0, 0)


def test_what_cannot_be_is_told(pipeline, tokenizer):  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = taken.getsockname()
        with pytest.raises(KtubeError, match=rf"{place[1]}.*[Aa]ddress"):
            speak_live(pipeline, [], websocket=place)
        with pytest.raises(KtubeError, match=f"{place[1]}.*Choose another port"):
            listen(place)
    deaf = UtteranceToMotion(tokenizer, make_transformer(tokenizer), EmbeddedTextEncoder())
    with pytest.raises(ConfigError, match="hears no words"):
        speak_live(deaf, [])
    for options, message in (
        ({"vmc": None}, "Nobody"), ({"vmc": ("127.0.0.1", 70000)}, "port"), ({"fps": 0}, "fps"), ({"vrm": 2}, "VRM"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            speak_live(pipeline, [], **options)
    for text in ("a", "1.2.3.4:x", "70000", ""):
        with pytest.raises(ConfigError, match="place"):
            parse_place(text)


def test_lines_come_from_a_socket():
    server, told = listen(("127.0.0.1", 0)), []
    lines = socket_lines(server, told.append)
    for text in ("가\n나\n", "다\n", "x" * 70_000, "라\n"):
        with socket.create_connection(server.getsockname()) as sender:
            sender.sendall(text.encode())
    got = [next(lines) for _ in range(4)]
    assert [one.strip() for one in got] == ["가", "나", "다", "라"]
    assert "cut off" in told[0]
    server.close()


# ---- the mouth ----


def test_mouths_are_those_of_the_vowels():
    for syllable, shape in (("아", "aa"), ("이", "ih"), ("우", "ou"), ("에", "ee"), ("오", "oh")):
        mouth = visemes([Word(0.0, 0.2, syllable)], [0.1])
        assert max(mouth, key=lambda name: mouth[name][0]) == shape
    glide = visemes([Word(0.0, 1.0, "와")], [0.2, 0.5])
    assert glide["ou"][0] == 1
    assert glide["aa"].tolist() == [0, 1]


def test_lips_meet_and_mouths_shut_between_words():
    mouth = visemes([Word(0.0, 0.4, "아바"), Word(1.0, 1.2, "암")], [0.1, 0.2, 0.3, 0.7, 1.1, 1.18])
    assert mouth["aa"].round(2).tolist() == [1, 0, 1, 0, 1, 0]


def test_numbers_are_spoken_and_signs_are_not():
    assert visemes([Word(0, 0.2, "5")], [0.1])["oh"][0] == 1
    assert max(values[0] for values in visemes([Word(0, 0.2, "…")], [0.1]).values()) == 0
    assert max(values[0] for values in visemes([], [0.1]).values()) == 0
    with pytest.raises(DataError, match="time"):
        visemes([Word(1.0, 0.5, "아")], [0.1])
