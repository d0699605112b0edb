"""What the tests of publishing share: small dataset folders, and real Hub clients in processes of their own.

`HF_ENDPOINT` and `HF_HUB_DISABLE_XET` are read when huggingface_hub is imported, so a client runs in a process; it takes
many orders, because a process costs seconds.
"""

from hub_client.client import Client, clean_environment
from hub_client.folders import make_folder
from hub_client.site import READER, STRANGER, TOKEN, Site, content, open_site

__all__ = ["READER", "STRANGER", "TOKEN", "Client", "Site", "clean_environment", "content", "make_folder", "open_site"]
