"""Who hears how far something is."""

from tasks.core.progress import Told, Unit, listening, tell


def test_listeners_hear_what_is_told_while_they_listen():
    heard, also = [], []
    tell("before", Unit.STEPS, 1, 2)
    with listening(heard.append):
        tell("download 000128000", Unit.BYTES, 10, 20)
        with listening(also.append):
            tell("observations", Unit.OBSERVATIONS, 1, 1)
        tell("900001010/30000010", Unit.STEPS, 7, 7)
    tell("after", Unit.STEPS, 2, 2)
    assert heard == [
        Told("download 000128000", Unit.BYTES, 10, 20),
        Told("observations", Unit.OBSERVATIONS, 1, 1),
        Told("900001010/30000010", Unit.STEPS, 7, 7),
    ]
    assert also == heard[1:2]
