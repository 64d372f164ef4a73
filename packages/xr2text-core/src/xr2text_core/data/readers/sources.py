"""Picks the reader of a data set by its name."""

from pathlib import Path

from xr2text_core.data.readers import iu_xray, manifest, mimic_cxr, phantom
from xr2text_core.data.study import Dataset, DatasetError


def read_dataset(name: str, root: str, num_studies: int, seed: int, desk: bool = False) -> Dataset:
    """Read the studies of a data set; phantoms need `num_studies`, `seed` and `desk`, the others the folder `root`."""
    if name == "phantom":
        if root:
            raise DatasetError(
                f"--root {root}: phantoms are drawn and lie in no folder. Leave --root out, or train with --data "
                "manifest, iu-xray or mimic-cxr"
            )
        return phantom.read(num_train=num_studies, seed=seed, desk=desk)
    if not root:
        raise DatasetError(f"--data {name} needs --root DIR, the folder of the data set")
    folder = Path(root).expanduser()
    if not folder.exists():
        raise DatasetError(f"--root {folder}: no such file or folder")
    readers = {"manifest": manifest.read, "iu-xray": iu_xray.read, "mimic-cxr": mimic_cxr.read}
    return readers[name](folder.resolve())
