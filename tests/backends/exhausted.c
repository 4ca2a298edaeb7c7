// A Vulkan layer that stands for a device whose memory has run out: while the file that GHOSTLINE_TEST_EXHAUSTED names is
// there, the driver takes no work. Everything else goes on to the driver.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

// The loader loads one instance and one device of each process that is tested.
static PFN_vkGetInstanceProcAddr next_of_instance;
static PFN_vkGetDeviceProcAddr next_of_device;
static PFN_vkQueueSubmit submit;

static int is_exhausted(void) {
    const char *file = getenv("GHOSTLINE_TEST_EXHAUSTED");
    return file && access(file, F_OK) == 0;
}

// The loader's entry in the chain that says what comes next.
static VkLayerInstanceCreateInfo *instance_link(const VkInstanceCreateInfo *info) {
    const VkBaseInStructure *it = info->pNext;
    for (; it; it = it->pNext) {
        VkLayerInstanceCreateInfo *link = (VkLayerInstanceCreateInfo *)it;
        if (it->sType == VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO && link->function == VK_LAYER_LINK_INFO) return link;
    }
    return NULL;
}

static VkLayerDeviceCreateInfo *device_link(const VkDeviceCreateInfo *info) {
    const VkBaseInStructure *it = info->pNext;
    for (; it; it = it->pNext) {
        VkLayerDeviceCreateInfo *link = (VkLayerDeviceCreateInfo *)it;
        if (it->sType == VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO && link->function == VK_LAYER_LINK_INFO) return link;
    }
    return NULL;
}

static VkResult create_instance(const VkInstanceCreateInfo *info, const VkAllocationCallbacks *memory, VkInstance *instance) {
    VkLayerInstanceCreateInfo *link = instance_link(info);
    if (!link) return VK_ERROR_INITIALIZATION_FAILED;
    next_of_instance = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)next_of_instance(NULL, "vkCreateInstance");
    return create ? create(info, memory, instance) : VK_ERROR_INITIALIZATION_FAILED;
}

static VkResult create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *info, const VkAllocationCallbacks *memory,
                              VkDevice *device) {
    VkLayerDeviceCreateInfo *link = device_link(info);
    if (!link) return VK_ERROR_INITIALIZATION_FAILED;
    PFN_vkGetInstanceProcAddr of_instance = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    next_of_device = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    PFN_vkCreateDevice create = (PFN_vkCreateDevice)of_instance(NULL, "vkCreateDevice");
    VkResult result = create ? create(physical, info, memory, device) : VK_ERROR_INITIALIZATION_FAILED;
    if (result == VK_SUCCESS) submit = (PFN_vkQueueSubmit)next_of_device(*device, "vkQueueSubmit");
    return result;
}

static VkResult queue_submit(VkQueue queue, uint32_t count, const VkSubmitInfo *submits, VkFence fence) {
    return is_exhausted() ? VK_ERROR_OUT_OF_DEVICE_MEMORY : submit(queue, count, submits, fence);
}

static PFN_vkVoidFunction of_device(VkDevice device, const char *name);

static PFN_vkVoidFunction ours(const char *name) {
    if (!strcmp(name, "vkCreateInstance")) return (PFN_vkVoidFunction)create_instance;
    if (!strcmp(name, "vkCreateDevice")) return (PFN_vkVoidFunction)create_device;
    if (!strcmp(name, "vkGetDeviceProcAddr")) return (PFN_vkVoidFunction)of_device;
    if (!strcmp(name, "vkQueueSubmit")) return (PFN_vkVoidFunction)queue_submit;
    return NULL;
}

static PFN_vkVoidFunction of_device(VkDevice device, const char *name) {
    PFN_vkVoidFunction found = ours(name);
    return found ? found : next_of_device(device, name);
}

static PFN_vkVoidFunction of_instance(VkInstance instance, const char *name) {
    PFN_vkVoidFunction found = ours(name);
    if (found || !strcmp(name, "vkGetInstanceProcAddr")) return found ? found : (PFN_vkVoidFunction)of_instance;
    return next_of_instance ? next_of_instance(instance, name) : NULL;
}

__attribute__((visibility("default"))) VkResult vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *offer) {
    offer->loaderLayerInterfaceVersion = 2;
    offer->pfnGetInstanceProcAddr = of_instance;
    offer->pfnGetDeviceProcAddr = of_device;
    offer->pfnGetPhysicalDeviceProcAddr = NULL;
    return VK_SUCCESS;
}
