"""The words of each task."""

from collections.abc import Mapping

from msseg.evaluation.tasks import TaskName
from msseg.report.lesion_words import LESIONS
from msseg.report.slice_words import CELLS, MEMBRANES
from msseg.report.wording import Words

WORDS: Mapping[TaskName, Words] = {"lesions": LESIONS, "membranes": MEMBRANES, "cells": CELLS}
