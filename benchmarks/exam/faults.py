"""All faults of the exam."""

from __future__ import annotations

from benchmarks.exam import faults_of_data, faults_of_networks, faults_of_optimisation
from benchmarks.exam.fault import Fault

FAULTS = {
    fault.name: fault for fault in (*faults_of_optimisation.FAULTS, *faults_of_networks.FAULTS, *faults_of_data.FAULTS)
}

__all__ = ["FAULTS", "Fault"]
