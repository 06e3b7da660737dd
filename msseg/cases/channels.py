"""The channels that an experiment asks for, by the names that the data have."""

from collections.abc import Mapping, Sequence

from msseg.config.problems import nearest
from msseg.errors import InputError


def resolve_channels(
    entries: Sequence[str], known: Mapping[str, Sequence[str]], source: str
) -> tuple[tuple[str, ...], ...]:
    """Entries such as `FLAIR` and `FLAIR+T1` -> one tuple of channels for each.

    Args:
        entries: As in `data.channels`; empty: every known channel for itself.
        known: Channel -> its spellings in file names.
        source: What knows them, for messages (`layout openms`).

    Raises:
        InputError: A channel is not known; the nearest is suggested.
    """
    models = tuple(tuple(part.strip() for part in entry.split("+")) for entry in entries)
    for channel in {name: None for model in models for name in model}:
        if channel not in known:
            raise InputError(_unknown(channel, known, source))
    return models or tuple((name,) for name in known)


def distinct(models: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Every channel that some model needs, once."""
    return tuple(dict.fromkeys(channel for model in models for channel in model))


def _unknown(channel: str, known: Mapping[str, Sequence[str]], source: str) -> str:
    called = [name for name, spellings in known.items() if channel.lower() in map(str.lower, spellings)]
    hint = f"; it is called {called[0]} there." if called else nearest(channel, list(known))
    return f"there is no channel {channel} in {source}{hint} Channels: {', '.join(known)}"
