import pytest

from tasks.core import errors

KINDS = {
    errors.NoData: "no-data",
    errors.Proprietary: "proprietary",
    errors.NotPublic: "not-public",
    errors.Transient: "transient",
    errors.Permanent: "permanent",
    errors.SoftwareFault: "software",
    errors.GaveUp: "gave-up",
}


def all_of(root):
    return {root}.union(*(all_of(child) for child in root.__subclasses__()))


def test_there_is_one_tree():
    named = {item for item in vars(errors).values() if isinstance(item, type)}
    assert all_of(errors.XtendflowError) >= named


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.BadInput, 2),
        (errors.EnvironmentFault, 3),
        (errors.LeaseLost, 1),
        *((kind, 1) for kind in KINDS),
    ],
)
def test_exit_statuses(error, status):
    assert error("why").exit_status == status
    assert str(error("why")) == "why"


def test_kinds_are_the_words_of_the_states():
    leaves = {item for item in all_of(errors.Outcome) if not item.__subclasses__()}
    assert {item: item.kind for item in leaves} == KINDS


def test_skipped_and_failed_are_told_apart():
    assert {item for item in KINDS if issubclass(item, errors.Skipped)} == {
        errors.NoData,
        errors.Proprietary,
        errors.NotPublic,
    }
    assert not any(issubclass(item, errors.Failed) and issubclass(item, errors.Skipped) for item in KINDS)
