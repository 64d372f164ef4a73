"""The garbage collector does not search what is being made or is here to stay."""

import gc

from xr2text_core.machine.garbage import frozen_objects, paused_garbage_collection


def test_what_exists_is_left_alone_for_a_while_and_garbage_made_meanwhile_is_not() -> None:
    with frozen_objects():
        assert gc.get_freeze_count() > 1000
        cycle: list[object] = []
        cycle.append(cycle)
        del cycle
        assert gc.collect() >= 1
    assert gc.get_freeze_count() == 0


def test_garbage_collection_is_paused_only_meanwhile_and_only_if_it_ran() -> None:
    with paused_garbage_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with paused_garbage_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
