"""docs/amis.md says what is published, what is pruned, and what is counted."""

import re
from collections import Counter
from collections.abc import Iterator

from tests.builders import NOW
from tests.manual import DOCS, first_words, read_sections
from tests.shelves import make_mark, make_own_image, make_row, make_shelf
from watch_pending.amis.models import Fate, PruneOutcome, Verdict
from watch_pending.amis.prune_plan import plan_prune
from watch_pending.amis.prune_report import make_prune_samples, prune_to_json
from watch_pending.amis.publish import make_publish_samples
from watch_pending.amis.publish_form import count_images, format_image

SECTIONS = read_sections(DOCS / "amis.md")
OUTCOME = PruneOutcome(region="us-east-1", ami="ami-1", instance_type=None, fate=Fate.DELETED)
DISK = {"DeviceName": "/dev/sda1", "Ebs": {}}
PLAN = plan_prune(make_shelf(*make_row(2), make_own_image("x"), marked=(make_mark(),)), 1)


def keys_in(document: object) -> Iterator[str]:
    if isinstance(document, dict):
        yield from document
        document = list(document.values())
    if isinstance(document, list):
        for item in document:
            yield from keys_in(item)


def keys_documented(heading: str) -> set[str]:
    return set(re.findall(r'"([\w/-]+)":', SECTIONS[heading]))


def test_every_attribute_of_the_list_is_documented_and_no_other() -> None:
    image = format_image({"ImageId": "ami-0123456789abcdef0", "BlockDeviceMappings": [DISK]}, "r")
    made_up = {image["id"], "moz-type", "amis", "counts", "written"}
    assert keys_documented("Publishing the list") - made_up == set(keys_in(image))


def test_every_key_of_a_pruning_is_documented_and_no_other() -> None:
    document = prune_to_json("test", NOW, 1, PLAN, [OUTCOME])
    assert keys_documented("What became of each") == set(keys_in(document))


def test_every_verdict_and_fate_is_documented_and_no_other() -> None:
    assert set(first_words(SECTIONS["Pruning"])) == set(Verdict)
    assert set(first_words(SECTIONS["What became of each"])) == set(Fate)


def test_every_metric_is_documented_and_no_other() -> None:
    samples = [
        *make_prune_samples(PLAN, [OUTCOME], Counter({"DeleteSnapshot": 1})),
        *make_publish_samples(count_images([format_image({}, "us-east-1")])),
    ]
    names = {f"farmhand_{sample.name}" for sample in samples}
    assert set(first_words(SECTIONS["Metrics of amis"])) == names
