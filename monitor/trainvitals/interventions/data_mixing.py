"""Give each domain of the data the weight that its progress deserves."""

from __future__ import annotations

import numpy as np

from trainvitals.domains import domains_of
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls, quoted
from trainvitals.model import Finding, Series, Suggestion
from trainvitals.view import RunView

MINIMUM_POINTS = 6
KEPT_SHARE = 0.5
"""Of the weight stays equal: measured speeds are noisy, and no method beats equal weights everywhere."""

RECENT_SHARE = 0.5


class DataMixing(Intervention):
    """Where several domains are trained together and learn at different speeds.

    A domain whose loss still falls quickly repays more examples; one that is done does not. Half of the weight is
    shared equally, the other half in proportion to the speed at which each suite's loss fell over the second half of
    the run; where there are no suites, that of the training loss of each domain.
    """

    name = "data-mixing"
    source = "Jiang et al. 2024, Adaptive data optimization; Chen et al. 2024, Aioli"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        suites = {name: loss.curve for name, loss in view.val_losses.items() if name and len(loss) >= MINIMUM_POINTS}
        if len(suites) < 2:
            domains = domains_of(view)
            suites = {domain.name: domain.loss for domain in domains if len(domain.loss) >= MINIMUM_POINTS}
        if len(suites) < 2:
            return None
        speed = np.array([_speed(loss) for loss in suites.values()])
        share = speed / speed.sum() if speed.sum() > 0 else np.full(len(speed), 1 / len(speed))
        weights = KEPT_SHARE / len(speed) + (1 - KEPT_SHARE) * share
        table = ", ".join(f"{quoted(name)}: {weight:.3f}" for name, weight in zip(suites, weights, strict=True))
        return self.suggestion(
            summary=f"sample the {len(suites)} domains in proportion to their progress",
            how=f"""
weights = {{{table}}}
# domain_of[i] is the domain of training example i
examples = {{name: max(1, sum(domain == name for domain in domain_of)) for name in weights}}
sampler = torch.utils.data.WeightedRandomSampler(
    [weights.get(domain, 0.0) / examples.get(domain, 1) for domain in domain_of], num_samples=len(domain_of)
)
loader = torch.utils.data.DataLoader(train_set, batch_size=loader.batch_size, sampler=sampler)
""",
            dialect=view.dialect,
            transformers=f"""
from datasets import interleave_datasets

weights = {{{table}}}
# domains[name] is the training set of a domain
train_dataset = interleave_datasets(
    [domains[name] for name in weights],
    probabilities=[weight / sum(weights.values()) for weight in weights.values()],
    seed=0,
    stopping_strategy="all_exhausted",
)
""",
            lightning=f"""
def train_dataloader(self):  # of your LightningModule or LightningDataModule
    weights = {{{table}}}
    # self.domain_of[i] is the domain of training example i
    examples = {{name: max(1, sum(domain == name for domain in self.domain_of)) for name in weights}}
    sampler = torch.utils.data.WeightedRandomSampler(
        [weights.get(domain, 0.0) / examples.get(domain, 1) for domain in self.domain_of],
        num_samples=len(self.domain_of),
    )
    return torch.utils.data.DataLoader(self.train_set, batch_size=self.batch_size, sampler=sampler)
""",
            expected="the mean over the domains falls faster; none gets worse by more than its noise",
            risk="a domain with little weight can be forgotten: watch each of them, and change weights in small steps",
            verify=loss_falls(view, finding, 0.1),
        )


def _speed(loss: Series) -> float:
    """How much the logarithm of the loss fell over the recent half, at least 0."""
    recent = loss.value[-max(4, round(RECENT_SHARE * len(loss))) :].astype(np.float64)
    if not bool(np.all(recent > 0)):
        return 0.0
    third = max(1, len(recent) // 3)
    return max(0.0, float(np.log(np.median(recent[:third])) - np.log(np.median(recent[-third:]))))
