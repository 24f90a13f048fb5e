"""Ways in which one HDF5 file brings another one in, on the machine of whoever opens it."""

import h5py


def refuse_links(file: h5py.File) -> None:
    """Raise a ``ValueError`` that names the first part of ``file`` which lies in another file.

    An author may name any path there, and what lies under it would be read as if it were theirs.
    Links inside the file are followed by nobody here: what they point to is looked at in its place.
    """
    left, seen = [file["/"]], set()
    while left:
        group = left.pop()
        for name in group:
            place = f"{group.name.rstrip('/')}/{name}"
            if isinstance(link := group.get(name, getlink=True), h5py.ExternalLink):
                raise ValueError(f"{place} is a link to another file, {link.filename}")
            if not isinstance(link, h5py.HardLink):
                continue
            part = group[name]
            address = h5py.h5o.get_info(part.id).addr
            if isinstance(part, h5py.Group) and address not in seen:
                seen.add(address)
                left.append(part)
            if isinstance(part, h5py.Dataset) and (part.external or part.is_virtual):
                raise ValueError(f"{place} is stored in another file")
