"""Servers for the LLM layer's tests: a scripted one for faults, and TGI's face on a real model."""
