/* Memory type range registers (Intel SDM vol. 3A, 11.11): every CPU must have the same ones. */
#pragma once

/* Remember those of the CPU that runs, as the firmware set them. */
void mtrr_save(void);
/* Give this CPU the remembered ones, unless it has them. */
void mtrr_load(void);
