"""How the two spins of a molecule are treated."""

import enum

from jaxtyping import Array, Num


class Spins(enum.StrEnum):
    """One set of orbitals for a closed shell, one for each spin, or one for an open shell.

    A name is accepted in its place: `Spins("unrestricted")`.
    """

    RESTRICTED = "restricted"
    UNRESTRICTED = "unrestricted"
    RESTRICTED_OPEN = "restricted-open"

    @classmethod
    def asked(cls, restricted: bool | None, unpaired: int) -> "Spins":
        """What `molecule(restricted=, spin=)` asks for."""
        if unpaired:
            return cls.RESTRICTED_OPEN if restricted else cls.UNRESTRICTED
        return cls.UNRESTRICTED if restricted is False else cls.RESTRICTED

    @classmethod
    def _missing_(cls, value: object):
        allowed = ", ".join(repr(str(s)) for s in cls)
        raise ValueError(f"spins is {value!r}; allowed are {allowed}.")

    @property
    def channels(self) -> int:
        """Density matrices: 1 for both spins together, or 2 for α and β."""
        return 1 if self is Spins.RESTRICTED else 2

    @property
    def shared(self) -> bool:
        """Whether α and β have densities of their own in one set of orbitals."""
        return self is Spins.RESTRICTED_OPEN

    def counts(self, electrons: Num[Array, " 2"]) -> Num[Array, " channels"]:
        """The number of occupied orbitals of each channel."""
        return electrons[: self.channels]

    def density_shape(self, n: int) -> tuple[int, ...]:
        """The shape of the density matrices that users see, for n basis functions."""
        return (n, n) if self.channels == 1 else (2, n, n)
