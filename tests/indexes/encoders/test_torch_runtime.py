from __future__ import annotations

from pathlib import Path

import pytest
import torch

from indexes.encoders.torch_runtime import choose_device, choose_dtype, cpu_computes_bfloat16, model_folder
from indexes.encoders.torch_runtime import weights_digest as digest
from indexes.errors import EncoderError, MissingExtraError, RerankerError

CPU = torch.device("cpu")


def test_auto_dtype_follows_the_processor() -> None:
    expected = torch.bfloat16 if cpu_computes_bfloat16() else torch.float32
    assert choose_dtype("auto", CPU) is expected
    assert choose_dtype("float32", CPU) is torch.float32


def test_bfloat16_is_refused_where_it_is_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexes.encoders.torch_runtime.cpu_computes_bfloat16", lambda: False)
    assert choose_dtype("auto", CPU) is torch.float32
    with pytest.raises(RerankerError, match=r"bfloat16; set dtype = 'auto'"):
        choose_dtype("bfloat16", CPU, error=RerankerError)
    with pytest.raises(EncoderError, match="float16"):
        choose_dtype("float16", CPU)


def test_devices() -> None:
    assert choose_device("cpu") == CPU
    with pytest.raises(EncoderError, match="'tpu-9' is not a device"):
        choose_device("tpu-9")
    with pytest.raises(EncoderError, match="'cuda:7' is not on this machine"):
        choose_device("cuda:7")


def test_model_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert model_folder(str(tmp_path)) == tmp_path
    with pytest.raises(RerankerError, match=r"neither a folder nor a hub name such as"):
        model_folder("./nowhere/at/all", error=RerankerError)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError) as caught:
        model_folder("nobody/no-such-model-of-ours")
    for part in ("nobody/no-such-model-of-ours", "local folder", "HF_ENDPOINT", "--profile offline"):
        assert part in str(caught.value)
    with pytest.raises(MissingExtraError, match=r"pip install 'ragwright\[modelscope\]'"):
        model_folder("nobody/no-such-model-of-ours", hub="modelscope")


def test_digest_sees_a_changed_weight_and_not_a_moved_folder(tmp_path: Path) -> None:
    here, there = tmp_path / "a", tmp_path / "b"
    content = bytes(range(256)) * 20_000  # 5 MB: sampled, not read whole
    for folder in (here, there):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(content)
        (folder / "readme.md").write_text(folder.name)
    assert digest(here) == digest(there) != ""
    (there / "pytorch_model.bin").write_bytes(b"the same weights in the old format")
    assert digest(here) == digest(there)
    (there / "model.safetensors").write_bytes(b"x" + content[1:])
    assert digest(here) != digest(there)
    assert digest(tmp_path / "a" / "nothing") == ""
