import subprocess
import sys
import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import update

from tasks.core.errors import BadInput, LeaseLost
from tasks.library.leases import acquire, confirm, release, renew
from tasks.library.ledger import Ledger
from tasks.library.schema import leases

NAME = "000128000"


def run_out(ledger, name=NAME):
    """Have the lease end now, as if its time had passed."""
    with ledger.writing() as connection:
        connection.execute(update(leases).where(leases.c.name == name).values(expires=1.0))


def test_one_holder_at_a_time(ledger):
    lease = acquire(ledger, NAME, "a", 60)
    assert (lease.name, lease.holder, lease.fence) == (NAME, "a", 1)
    assert acquire(ledger, NAME, "b", 60) is None
    assert acquire(ledger, NAME, "a", 60) is None
    confirm(ledger, lease)
    assert acquire(ledger, "000129000", "b", 60).fence == 1


def test_a_lease_given_back_can_be_taken(ledger):
    first = acquire(ledger, NAME, "a", 60)
    release(ledger, first)
    with pytest.raises(LeaseLost, match="a no longer holds 000128000"):
        confirm(ledger, first)
    second = acquire(ledger, NAME, "b", 60)
    assert second.fence == 2
    release(ledger, first)  # too late to give back what another holds
    confirm(ledger, second)


def test_who_comes_back_late_has_lost(ledger):
    first = acquire(ledger, NAME, "a", 60)
    run_out(ledger)
    for use in (lambda: confirm(ledger, first), lambda: renew(ledger, first, 60)):
        with pytest.raises(LeaseLost):
            use()
    second = acquire(ledger, NAME, "a", 60)
    assert second.fence == first.fence + 1
    for use in (lambda: confirm(ledger, first), lambda: renew(ledger, first, 60)):
        with pytest.raises(LeaseLost):
            use()
    confirm(ledger, second)


def test_time_is_the_database_s(ledger, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)  # this machine's clock is wrong
    lease = acquire(ledger, NAME, "a", 0.3)
    time.sleep(0.4)
    with pytest.raises(LeaseLost):
        confirm(ledger, lease)
    assert acquire(ledger, NAME, "b", 60).fence == 2


def test_renewal_prolongs(ledger):
    lease = acquire(ledger, NAME, "a", 0.5)
    renewed = renew(ledger, lease, 60)
    assert renewed.fence == lease.fence
    assert renewed.expires - lease.expires == pytest.approx(59.5, abs=5)
    time.sleep(0.6)
    confirm(ledger, lease)
    assert acquire(ledger, NAME, "b", 60) is None


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_lease_lasts(ledger, seconds):
    with pytest.raises(BadInput, match="a lease of"):
        acquire(ledger, NAME, "a", seconds)


RACER = """
import sys
import time
from tasks.library.leases import acquire, confirm, release
from tasks.library.database import Database

def wait():
    sys.stdout.flush()
    sys.stdin.readline()

print("imported")
wait()
ledger = Database.open(sys.argv[1])
print(int(acquire(ledger, "once", sys.argv[2], 600) is not None))
wait()
got = 0
while got < 3:
    lease = acquire(ledger, "often", sys.argv[2], 600)
    if lease is None:
        time.sleep(0.01)
        continue
    confirm(ledger, lease)
    print(lease.fence, end=" ")
    release(ledger, lease)
    got += 1
ledger.close()
"""


def test_of_eight_processes_one_wins_and_no_fence_is_given_twice(ledger_url):
    """They also open, and so make, the same new ledger at once."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, ledger_url, f"racer-{n}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(8)
    ]
    assert [racer.stdout.readline() for racer in racers] == ["imported\n"] * 8
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    assert sorted(racer.stdout.readline() for racer in racers) == ["0\n"] * 7 + ["1\n"]
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    fences = [[int(text) for text in racer.communicate()[0].split()] for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 8
    everyones = sorted(fence for own in fences for fence in own)
    assert everyones == list(range(1, 25))
    assert all(own == sorted(own) for own in fences)


class Contention(RuleBasedStateMachine):
    """Holders take, renew, release and lose; the model knows who should hold."""

    def __init__(self, url):
        super().__init__()
        self.ledger = Ledger.open(url)
        self.live, self.old, self.fence = None, [], 0

    @initialize()
    def fresh(self):
        with self.ledger.writing() as connection:
            connection.execute(leases.delete())

    @rule(holder=st.sampled_from("abc"))
    def take(self, holder):
        lease = acquire(self.ledger, NAME, holder, 600)
        assert (lease is None) == (self.live is not None)
        if lease:
            assert lease.fence == self.fence + 1
            self.live, self.fence = lease, lease.fence

    @rule(back=st.booleans())
    def end(self, back):
        if self.live:
            release(self.ledger, self.live) if back else run_out(self.ledger)
            self.old.append(self.live)
            self.live = None

    @rule()
    def prolong(self):
        if self.live:
            self.live = renew(self.ledger, self.live, 600)

    @rule(data=st.data())
    def come_back_late(self, data):
        if self.old:
            lease = data.draw(st.sampled_from(self.old))
            release(self.ledger, lease)
            with pytest.raises(LeaseLost):
                renew(self.ledger, lease, 600)

    @invariant()
    def only_the_live_one_is_confirmed(self):
        if self.live:
            confirm(self.ledger, self.live)
        for lease in self.old:
            with pytest.raises(LeaseLost):
                confirm(self.ledger, lease)

    def teardown(self):
        self.ledger.close()


def test_contention_follows_the_model(ledger_url):
    run_state_machine_as_test(
        lambda: Contention(ledger_url),
        settings=settings(max_examples=12, stateful_step_count=15, deadline=None),
    )
