from tests.indexes.encoders.encoder_fixtures import fake_server, m3_folder, one_torch_thread

__all__ = ["fake_server", "m3_folder", "one_torch_thread"]
