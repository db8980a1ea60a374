"""The termination message of a planned transcode: what of it is cut, and in what order."""

import json

from narwhal_operator.contract.outcome import TERMINATION_LIMIT, Reason, WorkOutcome
from narwhal_operator.contract.transcode import COMMAND_LENGTH, RungPlan, TranscodePlan


def outcome(command: int, notes: int) -> WorkOutcome:
    rungs = [RungPlan(name=f"{lines}p", width=lines, height=lines, codec="h264", crf=23) for lines in (1080, 720, 480)]
    plan = TranscodePlan(
        width=1920, height=1080, frame_rate="25/1", duration_seconds=1, frames=25, video_codec="h264", rungs=rungs,
        notes=["n" * 256] * notes, command="c" * command,
    )  # fmt: skip
    return WorkOutcome(
        kind="TranscodingJob", uid="u", attempt=1, work_digest="w", reason=Reason.COMPLETED, started_at="", finished_at="",
        plan=plan,
    )  # fmt: skip


def test_a_long_command_is_cut_before_the_plan_is_left_out() -> None:
    """The rungs and the notes of a plan matter more than the end of its argument list."""
    text = outcome(COMMAND_LENGTH, 7).termination()
    assert len(text.encode()) <= TERMINATION_LIMIT
    plan = json.loads(text)["plan"]
    assert len(plan["rungs"]) == 3
    assert plan["command"].endswith("c…")


def test_a_plan_without_room_for_its_command_is_told_without() -> None:
    """Notes that fill the message leave the command out."""
    plan = json.loads(outcome(COMMAND_LENGTH, 12).termination())["plan"]
    assert "command" not in plan
    assert len(plan["notes"]) == 12


def test_a_short_command_stays_whole() -> None:
    """Nothing is cut that fits."""
    assert json.loads(outcome(300, 1).termination())["plan"]["command"] == "c" * 300
