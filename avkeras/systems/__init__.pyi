from .registry import find_system as find_system
from .system import Published as Published, PublishedSystem as PublishedSystem
