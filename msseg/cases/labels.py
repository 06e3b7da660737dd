"""What the values of an experiment's labels stand for."""

from msseg.cases.layout import read_layout
from msseg.config.data import DataConfig, LabelMeaning


def label_meaning_of(data: DataConfig) -> LabelMeaning:
    """`data.label_meaning`, or else what the layout says; labels of a table are masks.

    Raises:
        InputError: There is no such layout.
    """
    if data.label_meaning is not None:
        return data.label_meaning
    return read_layout(data.layout).label_meaning if data.layout is not None else "mask"
