"""What Linux tells of the maps of this process."""


def map_at(address):
    """Give what the system says of the map at an address."""
    with open("/proc/self/smaps", encoding="utf-8") as file:
        told = None
        for line in file:
            first, found, stop = line.split()[0].partition("-")
            if found and not first.endswith(":"):
                told = {} if int(first, 16) <= address < int(stop, 16) else None
            elif told is not None:
                told[first.rstrip(":")] = line.split()[1:]
                if "VmFlags" in told:
                    return told
    raise AssertionError("there is no map at this address")
