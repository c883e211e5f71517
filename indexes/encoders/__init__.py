"""Encoders: one forward pass, both legs. ``build_encoder(settings)`` chooses by ``settings.encoder.provider``."""
