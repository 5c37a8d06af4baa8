"""How far the training has come, as the loop tells it."""

from __future__ import annotations

from dataclasses import dataclass, field

from trainvitals import tags


@dataclass(slots=True)
class Progress:
    """Tokens and samples since the run began, of all data and of each domain."""

    tokens: float = 0.0
    samples: float = 0.0
    domains: dict[str, float] = field(default_factory=dict)
    """The same of each domain, by tag."""

    def of_domain(self, domain: str, **counts: float | None) -> dict[str, float]:
        """Count what a batch of this domain had; the domain's numbers that this changed, by tag."""
        changed = {tags.train_metric(name, domain): count for name, count in counts.items() if count is not None}
        for tag, count in changed.items():
            self.domains[tag] = self.domains.get(tag, 0.0) + float(count)
        return {tag: self.domains[tag] for tag in changed}
