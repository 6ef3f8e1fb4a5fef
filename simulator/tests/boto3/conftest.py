"""A simulator of its own for every test, and boto3 clients whose answers are held against the model."""

import pytest

from simulator import Simulator


@pytest.fixture
def start():
    """Starts simulators with extra arguments, and stops them at the end of the test."""
    running = []

    def make(*arguments, **environment):
        simulator = Simulator(arguments, environment)
        running.append(simulator)
        return simulator

    yield make
    for simulator in running:
        simulator.stop()


@pytest.fixture
def sim(start):
    """A simulator at a quick pace."""
    return start()
