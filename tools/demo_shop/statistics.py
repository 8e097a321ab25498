"""What the real catalogue looks like, in numbers: the constants that the shop is drawn to.

Aggregates over the challenge's 84,916 training and 13,812 test products (rates, medians,
percentiles): no product of it is in here. ``describe.py`` prints the shop's figures beside them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ClassStatistics:
    """Figures of one product code.

    Attributes
    ----------
    code : int
        The ``prdtypecode``.
    n_train : int
        Training products with this code.
    missing_description : float
        Share of products without a description.
    languages : tuple of float
        Shares of French, English, German and Dutch; what is missing to one is Spanish and Italian
        or too short for the detector.
    content_width_px, content_height_px : float
        Medians of the box that is left of a 500x500 picture without its white border.
    jpeg_kb : float
        Median file size in kilobytes.
    title_chars : float
        Median length of the designation.
    description_chars : float
        Median length of the description where there is one (0: nearly none has one).
    """

    code: int
    n_train: int
    missing_description: float
    languages: tuple[float, float, float, float]
    content_width_px: float
    content_height_px: float
    jpeg_kb: float
    title_chars: float
    description_chars: float


# code, n_train, missing, (fr, en, de, nl), content width and height, KB, title, description
CLASSES = tuple(
    ClassStatistics(*figures)
    for figures in (
        (10, 3116, 0.8915, (0.497, 0.345, 0.072, 0.018), 332.0, 499.0, 27.5, 36.0, 59.0),
        (40, 2508, 0.6547, (0.447, 0.397, 0.048, 0.014), 353.0, 429.0, 34.1, 34.0, 292.0),
        (50, 1681, 0.2832, (0.728, 0.183, 0.029, 0.018), 411.0, 361.0, 19.6, 71.0, 598.0),
        (60, 832, 0.1599, (0.837, 0.121, 0.005, 0.01), 444.0, 386.5, 25.9, 121.5, 249.0),
        (1140, 2671, 0.6462, (0.37, 0.396, 0.118, 0.019), 341.0, 374.0, 20.8, 47.0, 99.0),
        (1160, 3953, 0.9117, (0.39, 0.335, 0.096, 0.045), 350.0, 499.0, 38.2, 49.0, 5.0),
        (1180, 764, 0.7997, (0.454, 0.378, 0.079, 0.027), 374.0, 374.0, 24.0, 48.0, 408.0),
        (1280, 4870, 0.2193, (0.721, 0.209, 0.036, 0.007), 418.0, 399.0, 24.4, 71.0, 648.0),
        (1281, 2070, 0.2377, (0.711, 0.236, 0.017, 0.013), 399.0, 387.0, 30.4, 61.0, 572.5),
        (1300, 5045, 0.2325, (0.714, 0.196, 0.027, 0.007), 439.0, 374.0, 21.8, 99.0, 816.0),
        (1301, 807, 0.1301, (0.929, 0.038, 0.015, 0.002), 421.0, 373.0, 21.1, 64.0, 357.0),
        (1302, 2491, 0.1112, (0.886, 0.069, 0.021, 0.004), 412.0, 389.0, 21.9, 87.0, 852.0),
        (1320, 3241, 0.3397, (0.794, 0.103, 0.057, 0.01), 364.0, 396.0, 19.2, 50.0, 910.0),
        (1560, 5073, 0.0349, (0.921, 0.07, 0.003, 0.002), 429.0, 376.0, 18.6, 87.0, 754.0),
        (1920, 4303, 0.0481, (0.96, 0.03, 0.003, 0.004), 437.0, 410.0, 32.0, 78.0, 771.0),
        (1940, 803, 0.056, (0.818, 0.054, 0.025, 0.026), 323.0, 396.0, 23.8, 44.0, 347.5),
        (2060, 4993, 0.0573, (0.926, 0.061, 0.004, 0.003), 477.0, 464.0, 28.1, 90.0, 747.0),
        (2220, 824, 0.0801, (0.902, 0.075, 0.005, 0.008), 390.0, 392.5, 22.1, 79.0, 857.0),
        (2280, 4760, 0.9328, (0.696, 0.137, 0.069, 0.022), 315.0, 399.0, 34.4, 65.0, 288.5),
        (2403, 4774, 0.9736, (0.655, 0.163, 0.038, 0.058), 438.5, 374.0, 33.9, 52.0, 0.0),
        (2462, 1421, 0.9627, (0.512, 0.315, 0.054, 0.024), 499.0, 374.0, 27.8, 49.0, 0.0),
        (2522, 4989, 0.2383, (0.848, 0.072, 0.043, 0.01), 334.0, 389.0, 15.9, 67.5, 218.5),
        (2582, 2589, 0.0239, (0.767, 0.222, 0.005, 0.0), 443.0, 374.0, 19.9, 64.0, 584.0),
        (2583, 10209, 0.0885, (0.961, 0.015, 0.002, 0.0), 400.0, 312.0, 18.0, 49.0, 463.0),
        (2585, 2496, 0.0793, (0.934, 0.029, 0.018, 0.0), 405.0, 365.0, 18.4, 75.0, 797.5),
        (2705, 2761, 0.3712, (0.917, 0.026, 0.021, 0.011), 211.0, 299.0, 17.2, 33.0, 952.0),
        (2905, 872, 0.0, (0.85, 0.15, 0.0, 0.0), 279.0, 387.0, 26.7, 49.0, 1977.0),
    )
)
BY_CODE = {figures.code: figures for figures in CLASSES}

N_TRAIN = 84916
N_TEST = 13812
MISSING_DESCRIPTION = 0.35094
DUPLICATE_TITLES = 0.01672
LANGUAGES = {"fr": 0.7679, "en": 0.1452, "de": 0.0325, "nl": 0.0129}

# Percentile -> value.
TITLE_CHARS = {1: 19.0, 5: 26.0, 25: 43.5, 50: 66.0, 75: 91.5, 95: 129.0, 99: 185.02}
DESCRIPTION_CHARS = {1: 26.21, 5: 47.2, 25: 228.0, 50: 638.0, 75: 974.0, 95: 2291.9, 99: 3563.22}
TITLE_WORDS = {1: 4.0, 5: 4.0, 25: 8.0, 50: 11.0, 75: 14.0, 95: 22.0, 99: 33.04}
HTML_TAGS_IN_DESCRIPTION = 0.2547
ENTITIES_IN_DESCRIPTION = 0.618
ENTITIES_IN_TITLE = 0.008

IMAGE_KB = {1: 4.71, 5: 7.45, 25: 15.34, 50: 23.96, 75: 34.78, 95: 50.56, 99: 61.62}
CONTENT_WIDTH_PX = {1: 62.15, 5: 139.0, 25: 290.0, 50: 374.0, 75: 479.0, 95: 499.0, 99: 499.0}
CONTENT_HEIGHT_PX = {1: 60.0, 5: 150.0, 25: 292.0, 50: 390.0, 75: 490.0, 95: 499.0, 99: 499.0}
LEFT_BORDER_PX = {1: 0.0, 5: 0.0, 25: 8.0, 50: 62.0, 75: 105.0, 95: 180.0, 99: 221.0}
RIGHT_BORDER_PX = {1: 275.0, 5: 319.0, 25: 394.0, 50: 436.0, 75: 491.0, 95: 499.0, 99: 499.0}
TOP_BORDER_PX = {1: 0.0, 5: 0.0, 25: 1.0, 50: 57.0, 75: 107.0, 95: 181.0, 99: 232.0}
BOTTOM_BORDER_PX = {1: 271.0, 5: 324.0, 25: 399.0, 50: 448.0, 75: 499.0, 95: 499.0, 99: 499.0}
FULL_BLEED = 0.0922
ONE_SIDE_FULL = 0.2761
BOTH_SIDES_BLANK = 0.6317
DUPLICATE_IMAGES = 0.1356
DUPLICATE_IMAGES_SAME_LABEL = 0.6314
