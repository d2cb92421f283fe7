"""Progress while image files are read."""

from deltarule.experiment.reading import Reading
from deltarule.training.live_lines import PlainLine


def test_long_reading_is_told_now_and_then(monkeypatch, capsys):
    clock = iter([0.0, 1.0, 3.0, 3.5, 6.0, 6.0, 99.0])
    monkeypatch.setattr("deltarule.experiment.reading.time.perf_counter", lambda: next(clock))
    with Reading(True) as reading:
        for text in "abcd":
            reading.show(text)
    assert capsys.readouterr().err == "b\nd\n"
    with Reading(False) as reading:
        reading.show("e")
    assert not capsys.readouterr().err


def test_a_terminal_is_left_with_the_last_line(monkeypatch, capsys):
    clock = iter([0.0, 0.1, 1.0, 1.1])
    monkeypatch.setattr("deltarule.experiment.reading.time.perf_counter", lambda: next(clock))
    monkeypatch.setattr("deltarule.experiment.reading.live_line", PlainLine)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Reading(None) as reading:
        for text in ("a", "b", "c"):
            reading.show(text)
    assert capsys.readouterr().err == "\rb\x1b[K\rc\x1b[K\n"
