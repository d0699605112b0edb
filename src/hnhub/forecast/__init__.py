"""What a build would take, before it runs."""
