find_package(fmt REQUIRED)
estab_uses(packetdrill fmt fmt::fmt fmt)
