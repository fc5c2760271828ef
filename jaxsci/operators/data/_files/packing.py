"""How numbers are stored: scaled, as unsigned ones, and with values that stand for missing ones."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Packing(NamedTuple):
    """Numbers are v scale + offset, with v as `unsigned` bits; `fills` stand for missing ones."""

    scale: float = 1.0
    offset: float = 0.0
    fills: tuple[float, ...] = ()
    unsigned: bool = False

    def unpacked(self, values: np.ndarray) -> np.ndarray:
        """The numbers that stored ones mean, NaN where missing."""
        missing = self._missing(values) if self.fills else None
        if self.unsigned and values.dtype.kind == "i":
            values = values.astype(f"u{values.dtype.itemsize}")
        if (self.scale, self.offset) != (1.0, 0.0):
            values = values * self.scale + self.offset
        return values if missing is None else np.where(missing, np.nan, values)

    def _missing(self, values: np.ndarray) -> np.ndarray:
        fills = np.asarray(self.fills)
        if values.dtype.kind == "f":  # 1e20 in double precision is not the 1e20 of floats
            with np.errstate(over="ignore"):
                fills = fills.astype(values.dtype)
        return np.isin(values, fills)


def packing(attributes: Mapping[str, Any]) -> Packing:
    """As the attributes of an array say it by the CF conventions."""
    given = (attributes[k] for k in ("_FillValue", "missing_value") if k in attributes)
    numeric = (np.ravel(v) for v in given if np.asarray(v).dtype.kind in "fiu")
    return Packing(
        float(np.ravel(attributes.get("scale_factor", 1.0))[0]),
        float(np.ravel(attributes.get("add_offset", 0.0))[0]),
        tuple(float(v) for values in numeric for v in values),
        str(attributes.get("_Unsigned", "")).lower() == "true",
    )
