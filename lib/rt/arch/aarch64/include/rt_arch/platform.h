/* What container images call this CPU (OCI image specification, "platform"): its name, and the
 * variant that every machine of the kind can run. */
#pragma once

#define RT_IMAGE_ARCHITECTURE "arm64"
#define RT_IMAGE_VARIANT      "v8"
