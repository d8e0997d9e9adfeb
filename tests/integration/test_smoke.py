import pytest

from tests.farm import BUILD, Farm

pytestmark = pytest.mark.integration


def test_a_job_that_waits_starts_a_machine(farm: Farm) -> None:
    farm.add_pending(BUILD, 1)
    assert farm.run().code == 0
    assert farm.names() == ["bld-linux64-001"]
