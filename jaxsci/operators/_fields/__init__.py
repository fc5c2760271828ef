"""Operations on fields and on scattered points."""
