"""Asking language models: endpoints, the journal, prompts, the embedded default."""
