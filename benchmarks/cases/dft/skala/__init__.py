"""The nonlocal functional Skala: in other programs, of large molecules, and trained small."""
