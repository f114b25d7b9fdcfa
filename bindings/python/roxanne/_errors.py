"""What can go wrong, as classes: every error of the engine is an Error."""


class Error(Exception):
    """Anything that Roxanne refuses or fails to do; the message says what to do about it."""


class NotFound(Error, KeyError):
    """No such key, collection or database."""

    __str__ = Exception.__str__  # KeyError's shows quotes around the message


class AlreadyExists(Error):
    """The key, collection or database is there already."""


class InvalidArgument(Error, ValueError):
    """The caller's input is wrong; nothing was changed."""


class Locked(Error):
    """Another process writes to the database; the message names its pid."""


class Corruption(Error):
    """Stored bytes fail a check; the message names file and place."""


class DiskFull(Error, OSError):
    """No space; nothing of the failed operation is visible."""


class ReadOnly(Error):
    """Opened read-only, or turned read-only after a failed write."""


class IoError(Error, OSError):
    """The operating system refused a read, write or sync."""


class Cancelled(Error):
    """Stopped on request: a progress callback returned False."""


class Unsupported(Error):
    """A format or version this build does not know, or a memory limit too small for the task."""
