"""Profile the steps in question."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView

PROFILED_STEPS = 20
FASTER = 0.1
"""Of the present step time: less is not worth the trouble."""


class ProfileSlowSteps(Intervention):
    """Where steps take longer than they should and a sum of times does not say why.

    A profile of twenty steps names the operation, the copy or the wait that the time goes into. It costs those steps
    and changes nothing else.
    """

    name = "profile-slow-steps"
    source = "PyTorch documentation, torch.profiler"
    basis = "documentation"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        where = "" if finding.first_step is None else f" after step {finding.first_step:,}"
        tag = next(iter(view.signals.step_time), tags.STEP_TIME_S)
        series = view.run.series.get(tag)
        positive = None if series is None else series.value[series.value > 0]
        usual = float(sorted(positive)[len(positive) // 2]) if positive is not None and len(positive) else 1.0
        return self.suggestion(
            summary=f"profile {PROFILED_STEPS} steps{where}",
            how=f"""
from torch.profiler import ProfilerActivity, profile

activities = [ProfilerActivity.CPU]
if torch.cuda.is_available():
    activities.append(ProfilerActivity.CUDA)
with profile(activities=activities) as profiled:
    for _, (x, y) in zip(range({PROFILED_STEPS}), loader):
        loss_fn(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()
print(profiled.key_averages().table(sort_by="cpu_time_total", row_limit=15))
profiled.export_chrome_trace("steps.json")  # gaps between operations are waiting
""",
            dialect=view.dialect,
            transformers=f"""
from torch.profiler import profile, schedule
from transformers import TrainerCallback

class Profiled(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        profiled.step()

with profile(schedule=schedule(wait=1, warmup=1, active={PROFILED_STEPS})) as profiled:
    trainer.args.max_steps = trainer.state.global_step + {PROFILED_STEPS + 2}
    trainer.add_callback(Profiled())
    trainer.train()
print(profiled.key_averages().table(sort_by="cpu_time_total", row_limit=15))
""",
            lightning=f"""
from lightning import Trainer
from lightning.pytorch.profilers import PyTorchProfiler

profiler = PyTorchProfiler(filename="steps", row_limit=15)
trainer = Trainer(profiler=profiler, max_steps={PROFILED_STEPS})  # all else as you have it
""",
            expected="one operation, or a gap before the forward pass, holds most of the time and can go",
            risk="these steps are slower and the trace takes some memory",
            verify=Verify(tag, "down", max(FASTER * usual, 1e-9), steps(view)),
        )
