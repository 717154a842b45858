"""The images of a site, in memory."""

from collections import Counter

from bridge.core.errors import ImagePullError, UnavailableError


class FakeImages:
    """Images that a test puts there, or lets the site pull."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.registry: set[str] = set()
        """What can be pulled."""
        self.is_available = True
        """Whether the site answers; every method raises UnavailableError otherwise."""
        self.looks: Counter[str] = Counter()
        self.pulls: Counter[str] = Counter()

    def has(self, image: str) -> bool:
        """Whether it is there."""
        self._reach()
        self.looks[image] += 1
        return image in self.there

    def pull(self, image: str) -> None:
        """Have it there from now on. Raises ImagePullError for one that cannot be pulled."""
        self._reach()
        self.pulls[image] += 1
        if image not in self.registry:
            raise ImagePullError(f"{image}: manifest unknown")
        self.there.add(image)

    def _reach(self) -> None:
        if not self.is_available:
            raise UnavailableError("the site does not answer")
