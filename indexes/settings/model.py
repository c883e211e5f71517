"""The base class of all settings: to type checkers pydantic's, to Python the light one that takes a hundredth of its
time to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel as Model
    from pydantic import ConfigDict, Field
else:
    from indexes.settings.light_model import Field, Model

    ConfigDict = dict

__all__ = ["ConfigDict", "Field", "Model"]
