# SPDX-License-Identifier: GPL-3.0-or-later
"""labkit -- brings containerlab topologies up in rootless namespaces and runs scenarios in them."""
